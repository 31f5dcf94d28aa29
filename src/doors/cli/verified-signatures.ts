// What a check found about the keys of a log and its retained checkpoints, in words.

import type { JudgedSignatures, VerifiedKey } from '../../kernel/audit/verify/signatures.ts'
import { nameAndId } from './keys.ts'

interface Judged extends JudgedSignatures {
  readonly vkey: string
  readonly isPinned: boolean
}

/** Names and values for `recordLines`; empty for a log that never had but one key and kept nothing. */
export function signatureFacts({ vkey, isPinned, keys = [], retained }: Judged): Record<string, unknown> {
  const newest = keys.at(-1)
  const own = keys.find((each) => each.vkey === vkey)
  return {
    ...(newest === undefined ? {} : { keys: keys.map(keyLine) }),
    ...(isPinned && own?.reason === 'compromised'
      ? {
          beware:
            'the key that you gave was given up as stolen: whoever has it could have made this log up; ask the owner for the newest key in another way',
        }
      : {}),
    ...(isPinned && newest !== undefined && newest.vkey !== vkey ? { 'newest key': newest.vkey } : {}),
    ...(retained === undefined ? {} : { checkpoints: retainedLines(retained) }),
  }
}

const keyLine = ({ vkey, from, until, reason }: VerifiedKey): string =>
  [
    nameAndId(vkey),
    `from entry ${from}`,
    ...(until === undefined ? [] : [`retired by entry ${until}`]),
    ...(reason === 'compromised' ? ['given up as stolen'] : []),
  ].join(', ')

function retainedLines({
  checkpoints,
  cosigned,
  timestamps,
  stamped,
}: NonNullable<JudgedSignatures['retained']>): string[] {
  return [
    `${checkpoints} retained${cosigned === 0 ? '' : `, ${cosigned} of them cosigned with ML-DSA-44 by the log itself`}`,
    ...(stamped === undefined
      ? []
      : [
          `${timestamps} stamped: ${stamped.size} entries existed at ${stamped.time}, says ${stamped.authority}`,
          ...(stamped.isPinned
            ? []
            : ['whether to believe that authority, only its certificate tells (--timestamp-ca FILE)']),
        ]),
  ]
}
