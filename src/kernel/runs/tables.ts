// The tables of the Runs room: what of them expires is swept, and none of it outlives the key under which it is sealed.

import { RUNS_CONTROL, RUNS_SIGNALS } from './control.ts'
import { RUN_STEPS } from './journal.ts'
import { RUNS_LIVES } from './life.ts'
import { RUNS, RUNS_ENDED, RUNS_OPEN } from './run.ts'

export const RUN_TABLES = [
  RUNS,
  RUN_STEPS,
  RUNS_OPEN,
  RUNS_ENDED,
  RUNS_CONTROL,
  RUNS_SIGNALS,
  RUNS_LIVES,
] as const
