// Repeated denials: the first is written at once, the rest of a minute as one, and nothing is lost at the end.

import { describe, expect, it } from 'vitest'
import { seededChance } from '../simulator/chance.ts'
import { simulatedEnv } from '../simulator/env.ts'
import { openDenials } from './denials.ts'

const kind = (key: string, group = key) => ({ key, group })

function opened() {
  const env = simulatedEnv(seededChance(1))
  const written: string[] = []
  const failures: unknown[] = []
  const denials = openDenials(env, (error) => failures.push(error))
  const note = (key: string, mark = key) =>
    denials.note(kind(key), async (count) => {
      written.push(`${mark} ${count}`)
    })
  /** Lets the next window end. */
  const minute = async () => {
    expect(env.advance()).toBe(true)
    await new Promise(setImmediate)
  }
  return { denials, note, minute, written, failures }
}

describe('denials', () => {
  it('writes the first at once and the rest when the minute is over, with what was said last', async () => {
    const { note, minute, written } = opened()
    await note('a', 'first')
    await note('a', 'second')
    await note('a', 'third')
    await note('b')
    expect(written).toEqual(['first 1', 'b 1'])
    await minute()
    await minute()
    expect(written).toEqual(['first 1', 'b 1', 'third 2'])
    await note('a', 'a new window')
    expect(written.at(-1)).toBe('a new window 1')
  })

  it('writes nothing more for a window in which nothing more happened', async () => {
    const { note, minute, written, denials } = opened()
    await note('a')
    await minute()
    await denials.close()
    expect(written).toEqual(['a 1'])
  })

  it('writes what is still counted when it closes', async () => {
    const { note, written, denials } = opened()
    for (let time = 0; time < 5; time++) await note('a')
    await denials.close()
    expect(written).toEqual(['a 1', 'a 4'])
  })

  it('writes each by itself beyond a thousand windows, and keeps counting in those that are open', async () => {
    const { note, written, denials } = opened()
    for (let key = 0; key < 1000; key++) await note(`k${key}`)
    await note('too many')
    await note('too many')
    await note('k0')
    expect(written.slice(1000)).toEqual(['too many 1', 'too many 1'])
    await denials.close()
    expect(written.slice(1002)).toEqual(['k0 1'])
  })

  it('counts together what differs in details alone, beyond 32 kinds of one group, and no other group', async () => {
    const { denials, minute, written } = opened()
    const note = (key: string, group: string) =>
      denials.note(kind(key, group), async (count) => written.push(`${key} ${count}`))
    for (let at = 0; at < 40; at++) await note(`a${at}`, 'a')
    await note('a3', 'a')
    await note('b', 'b')
    expect(written).toHaveLength(34)
    expect(written.slice(31)).toEqual(['a31 1', 'a32 1', 'b 1'])
    for (let at = 0; at < 34; at++) await minute()
    expect(written.slice(34)).toEqual(['a3 1', 'a39 7'])
    // There is room again.
    await note('a50', 'a')
    await note('a51', 'a')
    expect(written.slice(36)).toEqual(['a50 1', 'a51 1'])
  })

  it.each([
    ['rejects', async () => Promise.reject(new Error('full'))],
    [
      'throws',
      () => {
        throw new Error('full')
      },
    ],
  ])('stands when its record %s, at once and at the end of the window, and says so', async (_how, record) => {
    const { denials, failures, minute } = opened()
    await denials.note(kind('a'), record)
    expect(failures).toHaveLength(1)
    await denials.note(kind('a'), record)
    await minute()
    expect(failures).toEqual([new Error('full'), new Error('full')])
    await denials.note(kind('a'), record)
    await denials.note(kind('a'), record)
    await denials.close()
    expect(failures).toHaveLength(4)
  })
})
