//! The built program, end to end: real TAPs in real namespaces, on a host that
//! each test has for itself. Needs root, and the tools that `tests/run` installs.

mod attacks;
mod changes;
mod commands;
mod control;
mod documents;
mod engines;
mod faults;
mod files;
mod forwarding;
mod hosts;
mod learning;
mod life;
mod limits;
mod log;
mod mistakes;
mod namespaces;
mod page;
mod privileges;
mod run_time;
mod socket;
mod this_host;
mod vlans;
