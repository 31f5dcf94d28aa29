// The realm's side of a handover: what the log names as its key, and the file that tells others.

import { writeWholeFile } from '../log/files.ts'
import { fixedKeys, type KeyKeeping } from '../log/key-ring.ts'
import type { OpenedSequencer } from '../log/sequencer.ts'

export interface RealmKeys extends KeyKeeping {
  /** The verifier key of the log's own cosigner of retained checkpoints, if it has one. */
  readonly cosigner?: string
}

/** Keys as the sequencer keeps them; `rekey` hears of the newest one whenever it may be another. */
export function realmKeys(
  { keys, vkey, cosignerVkey }: Pick<OpenedSequencer, 'keys' | 'vkey' | 'cosignerVkey'>,
  rekey: (vkey: string) => void,
): RealmKeys {
  const keeping = keys ?? fixedKeys([vkey])
  return {
    ...keeping,
    ...(cosignerVkey === undefined ? {} : { cosigner: cosignerVkey }),
    async settle(told) {
      const vkeys = await keeping.settle(told)
      rekey(told.current)
      return vkeys
    },
  }
}

/** The same, with the newest key in a file too. */
export function keysOnFile(keys: RealmKeys, path: string, vkey: string): RealmKeys {
  let written = ''
  const write = (next: string) => {
    if (next !== written) writeWholeFile(path, `${next}\n`)
    written = next
  }
  write(vkey)
  return {
    ...keys,
    async settle(told) {
      const vkeys = await keys.settle(told)
      write(told.current)
      return vkeys
    },
  }
}
