// How grave a rule is, as the rules of then say.

import { asPolityError } from '../errors.ts'
import { Memo } from '../gate/memo.ts'
import { storedRules } from '../gate/stored.ts'
import type { Digest } from '../gate/types.ts'
import type { HistoryPorts } from './history.ts'

export interface Severities {
  /** Undefined where the rule says nothing, or its text is not kept. Throws what reading texts throws. */
  of(bundle: string, policy: string): Promise<string | undefined>
}

const BUNDLES_HELD_MAX = 16

export function openSeverities(ports: Pick<HistoryPorts, 'texts'>): Severities {
  const held = new Memo<ReadonlyMap<string, string>>(BUNDLES_HELD_MAX)
  const read = async (bundle: Digest): Promise<ReadonlyMap<string, string>> => {
    const text = (await ports.texts([bundle])).get(bundle)
    if (text === undefined) return new Map()
    try {
      const { policies } = storedRules(bundle, Buffer.from(text)).bundle
      return new Map(
        [...policies].flatMap(([id, { severity }]) => (severity === undefined ? [] : [[id, severity]])),
      )
    } catch (error) {
      const { code } = asPolityError(error)
      if (code !== 'verify.failed' && code !== 'gate.bundle.invalid') throw error
      return new Map()
    }
  }
  return {
    async of(bundle, policy) {
      const known = held.get(bundle) ?? (await read(bundle as Digest))
      held.set(bundle, known)
      return known.get(policy)
    },
  }
}
