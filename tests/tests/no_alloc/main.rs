//! Memory is fixed at start: a worker that forwards asks the allocator for
//! nothing and gives nothing back. Calls are counted thread by thread.

mod engines;
mod memory;

use std::hint::black_box;

use io_backends::testing::allocations::{Count, Counting};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn every_call_of_this_thread_alone_counts() {
    let own = Count::of_this_thread();
    let mut vector = black_box(Vec::<u8>::with_capacity(10));
    assert_eq!(own.calls(), 1);
    black_box(&mut vector).resize(1000, 1);
    drop(vector);
    assert_eq!(own.calls(), 3);
    let other = std::thread::spawn(|| {
        let count = Count::of_this_thread();
        drop(black_box(Box::new([0; 100])));
        count.calls()
    });
    let others = other.join().expect("the other thread");
    assert_eq!(others, 2);
    let before = own.calls();
    drop(black_box(Box::new(7)));
    assert_eq!(own.calls() - before, 2);
}
