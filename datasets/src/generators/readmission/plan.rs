//! Who is in hospital when: the order of rows, and with it the numbers of stays.

use super::choice::Own;
use super::patient::{Patient, Streams};

/// First number of a stay, and how far the numbers of the published table reach.
const FIRST_ENCOUNTER: u64 = 12_522;
const ENCOUNTERS: u64 = 443_850_000;
/// The same of patients.
const FIRST_PATIENT: u64 = 135;
const PATIENTS: u64 = 189_500_000;

/// One stay, before its columns are known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slot {
    /// When it begins, as a share of the table's years.
    pub(crate) time: f64,
    /// Whose it is.
    pub(crate) patient: u32,
    /// Which of the patient's stays, from 0.
    pub(crate) stay: u8,
}

/// All stays in order of time. Sixteen bytes a row; the columns are drawn where they are needed.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) streams: Streams,
    slots: Vec<Slot>,
    patients: u32,
}

impl Plan {
    pub(crate) fn new(seed: u64, patients: u32) -> Self {
        let streams = Streams::new(seed);
        let mut slots = Vec::new();
        for patient in 0..patients {
            let times = Patient::new(&streams, patient).times(&streams, patient);
            let stays = (0_u8..).zip(times);
            slots.extend(stays.map(|(stay, time)| Slot { time, patient, stay }));
        }
        // Times are not negative, so their bits are in their order.
        slots.sort_unstable_by_key(|slot| (slot.time.to_bits(), slot.patient, slot.stay));
        Self { streams, slots, patients }
    }

    pub(crate) fn rows(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn slot(&self, row: usize) -> Option<Slot> {
        self.slots.get(row).copied()
    }

    /// The tenth of the table that a row lies in, 0 to 9.
    pub(crate) fn tenth(&self, row: usize) -> usize {
        (row as u128 * 10 / self.slots.len().max(1) as u128) as usize
    }

    /// Numbers of stays grow with the row, by steps that look irregular.
    pub(crate) fn encounter_id(&self, row: usize) -> u64 {
        let step = (ENCOUNTERS / self.slots.len().max(1) as u64).max(1);
        let own = Own { draws: self.streams.number, row: row as u64 };
        FIRST_ENCOUNTER + row as u64 * step + (own.uniform(0) * step as f64) as u64
    }

    pub(crate) fn patient_nbr(&self, patient: u32) -> u64 {
        let step = (PATIENTS / u64::from(self.patients).max(1)).max(1);
        let own = Own { draws: self.streams.number, row: patient.into() };
        FIRST_PATIENT + u64::from(patient) * step + (own.uniform(1) * step as f64) as u64
    }
}
