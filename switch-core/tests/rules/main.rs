//! The forwarding rules, proved: scenarios in text, a table of every VLAN mode
//! against every other, a small reference switch under random events, and
//! hosts with TCP stacks of their own. All of it in memory, under a simulated clock.

mod ageing;
mod agreement;
mod fairness;
mod frames;
mod hosts;
mod lab;
mod matrix;
mod ports;
mod reference;
mod scenario;
#[path = "../segment/super_frame.rs"]
#[expect(dead_code, reason = "the segmenter's own tests use the rest")]
mod super_frame;
mod work;
