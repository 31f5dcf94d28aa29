// One proposal of several entries: a private value is sealed under the subject of each entry that holds it, and no other.

import { describe, expect, it } from 'vitest'
import { systemEnv } from '../env.ts'
import { entryType } from '../log/entry.ts'
import { commitmentsIn, commitPrivate, KnownOpenings } from '../schema/privacy.ts'
import { Closed, Private, Type } from '../schema/schema.ts'
import { seal } from './recorder.ts'

const env = systemEnv()
const origin = { source: 'polity://test', actor: 'user:ann', correlationid: 'c' }
const Noted = entryType('lab.noted@1', { text: Private(Type.String()) })
const note = (subject: string, text: string) => Noted({ text }, { subject })

describe('sealing', () => {
  it('gives every subject its own commitment of an equal value, the first that of the input', () => {
    const known = new KnownOpenings()
    const input = commitPrivate(
      Closed({ text: Private(Type.String()) }),
      { text: 'x' },
      env.random,
      known,
    ).public
    const { entries, seals } = seal([note('a', 'x'), note('b', 'x'), note('a', 'x')], origin, env, known)
    const [first = '', second = '', third] = entries.flatMap((text) => commitmentsIn(JSON.parse(text)))
    expect(commitmentsIn(input)).toEqual([first])
    expect(second).not.toBe(first)
    expect(third).toBe(first)
    expect(
      seals.map(({ subject, openings }) => [subject, openings.map(({ commitment }) => commitment)]),
    ).toEqual([
      ['a', [first]],
      ['b', [second]],
      ['a', [first]],
    ])
  })
})
