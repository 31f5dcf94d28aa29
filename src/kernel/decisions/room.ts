// The room of decisions that were made: it reads the log and what is kept beside it, and changes nothing.

import { factTypes } from '../catalog/decide.ts'
import { defineRoom, type RoomHost } from '../catalog/room.ts'
import { loadBundle } from '../gate/bundle.ts'
import { type Gate, openGate } from '../gate/gate.ts'
import { enforcedWith } from '../gate/rollout.ts'
import * as contract from './contract.ts'
import { explain, PAGE_DECISIONS, replay, severities, whatIf } from './contract.ts'
import { explainDecision } from './explain.ts'
import { findDecision } from './finding.ts'
import { type HistoryRange, type PastDecision, pastDecisions, storeHistory } from './history.ts'
import { isErased } from './inputs.ts'
import { replayHistory } from './replay.ts'
import { openSeverities } from './severities.ts'
import { flipsUnder } from './what-if.ts'

interface Asked extends Pick<HistoryRange, 'from' | 'to'> {
  readonly after?: number
  readonly limit?: number
}

export const decisionsRoom = defineRoom(
  'decisions',
  { url: new URL('./contract.ts', import.meta.url).href, exports: contract },
  (host) => {
    const { reader, vaultKey } = host.realm
    return {
      faces: [severities.provide(openSeverities(storeHistory(reader, 0)))],
      queries: [
        explain.handle(async ({ log }, { decision }) => {
          const ports = storeHistory(reader, log.head().size)
          return explainDecision(await findDecision(reader, ports, decision), ports, host.gate())
        }),
        replay.handle(async ({ log }, input) => {
          const ports = storeHistory(reader, log.head().size)
          const page = new PageOf(input, ports.size)
          const replayed = await replayHistory(page.of(pastDecisions(ports, page.range)), ports, {
            isErased: (past) => isErased(reader, vaultKey, past),
          })
          return { ...replayed, ...page.end() }
        }),
        whatIf.handle(async ({ log }, { files, ...input }) => {
          const candidate = await candidateOf(host, files)
          const ports = storeHistory(reader, log.head().size)
          const page = new PageOf(input, ports.size)
          const flips = await flipsUnder(page.of(pastDecisions(ports, page.range)), candidate, {
            flipsMax: input.limit ?? PAGE_DECISIONS,
          })
          return { ...plain(flips), ...page.end() }
        }),
      ],
    }
  },
)

/**
 * A gate of its own over rules that are not in force, with the actions of this hub and the states that policies have in
 * its roll-out: as they would be if they were loaded. Throws `gate.bundle.invalid`.
 */
const candidateOf = async (
  host: Pick<RoomHost, 'definitions' | 'gate'>,
  files: readonly { readonly name: string; readonly text: string }[],
): Promise<Gate> =>
  openGate({
    bundle: await loadBundle(files),
    actions: host.definitions().map((each) => ({ name: each.name, facts: factTypes(each) })),
    rollout: enforcedWith(host.gate()?.rollout),
  })

/** Some decisions from a place on, and where whoever asked goes on. */
class PageOf {
  readonly range: HistoryRange
  readonly #size: number
  readonly #limit: number
  #last: number | undefined

  constructor({ from, to, after, limit = PAGE_DECISIONS }: Asked, size: number) {
    this.#size = size
    this.#limit = limit
    this.range = {
      ...(from === undefined ? {} : { from }),
      ...(to === undefined ? {} : { to }),
      ...(after === undefined ? {} : { fromSeq: after + 1 }),
    }
  }

  async *of(history: AsyncIterable<PastDecision>): AsyncGenerator<PastDecision, void> {
    let count = 0
    for await (const past of history) {
      yield past
      count += 1
      if (count < this.#limit) continue
      this.#last = past.seq
      return
    }
  }

  end(): { readonly size: number; readonly after?: number } {
    return { size: this.#size, ...(this.#last === undefined ? {} : { after: this.#last }) }
  }
}

/** Lists of an answer are its own. */
const plain = <T>(value: T): Mutable<T> => structuredClone(value) as Mutable<T>

type Mutable<T> = T extends readonly (infer E)[]
  ? Mutable<E>[]
  : T extends object
    ? { -readonly [K in keyof T]: Mutable<T[K]> }
    : T
