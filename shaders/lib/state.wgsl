// Words of the step state (`State` of core/src/ops/advance.rs). Real numbers are stored as their bits.
const STEP: u32 = 0u;
const SEED: u32 = 1u;
const LR: u32 = 2u;
const CORRECTION1: u32 = 3u;
const CORRECTION2: u32 = 4u;
const ROW: u32 = 5u;
const DRAW: u32 = 6u;
const AVERAGE: u32 = 7u;
