//! A port that takes every frame and gives none: the shortest [`Port`].

use crate::frame::{Frame, Takes};
use crate::port::{Port, PortFault, TxError};

/// Swallows whatever it is sent.
#[derive(Clone, Copy, Debug, Default)]
pub struct NullPort;

impl Port for NullPort {
    fn receive(&mut self, _into: &mut [Frame]) -> Result<usize, PortFault> {
        Ok(0)
    }

    fn transmit(&mut self, _frame: &mut Frame) -> Result<(), TxError> {
        Ok(())
    }

    fn takes(&self) -> Takes {
        Takes::EVERYTHING
    }
}
