// How far a run is, for people who watch: repositories done, and now and then what one of them is at.

import type { CommandContext } from '../../kernel/catalog/context.ts'
import type { Env } from '../../kernel/env.ts'
import type { Stage } from './analysis.ts'

export interface RunMeter {
  stage(name: string, stage: Stage, done: number, total: number): void
  finished(name: string): void
}

const NOTE_INTERVAL_MS = 200

/** Every end is told, stages at most once in `NOTE_INTERVAL_MS`. */
export function openMeter(
  ctx: Pick<CommandContext, 'progress'>,
  env: Pick<Env, 'monotonic'>,
  total: number,
): RunMeter {
  let done = 0
  let toldAtMs = Number.NEGATIVE_INFINITY
  const tell = (note: string) => {
    toldAtMs = env.monotonic()
    ctx.progress({ done, total, note })
  }
  return {
    stage(name, stage, stageDone, stageTotal) {
      const what = noteOf(stage, stageDone, stageTotal)
      if (what !== null && env.monotonic() - toldAtMs >= NOTE_INTERVAL_MS) tell(`${name}: ${what}`)
    },
    finished(name) {
      done += 1
      tell(name)
    },
  }
}

function noteOf(stage: Stage, done: number, total: number): string | null {
  switch (stage) {
    case 'history':
      return `history ${done} commits`
    case 'files':
      return `files ${done} of ${total}`
    default:
      return null
  }
}
