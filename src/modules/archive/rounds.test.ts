// The rounds of the scrub: all of a large archive, and again after a round that failed.

import { expect, it } from 'vitest'
import type { ModuleHost } from '../../kernel/catalog/module.ts'
import { systemEnv } from '../../kernel/env.ts'
import { scrub } from './contract.ts'
import { scrubRegularly } from './rounds.ts'

const DAY_MS = 24 * 3600_000

/** A hub whose scrubs get through one page each; the clock jumps to whatever is waited for, for some rounds. */
function hubOf(pages: readonly string[], rounds: number) {
  const asked: unknown[] = []
  const slept: number[] = []
  const over = Promise.withResolvers<void>()
  let nowMs = 0
  const env: ModuleHost['env'] = {
    ...systemEnv(),
    monotonic: () => nowMs,
    async sleepUntil(atMs, signal) {
      if (slept.length === rounds) {
        over.resolve()
        await new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)))
      }
      slept.push(atMs - nowMs)
      nowMs = atMs
    },
  }
  const invokeAsHub = async (definition: unknown, input: unknown): Promise<never> => {
    expect(definition).toBe(scrub)
    const { after } = input as { readonly after?: string }
    asked.push(after)
    if (after === 'broken') throw new Error('a copy is gone')
    const next = pages[after === undefined ? 0 : pages.indexOf(after) + 1]
    return (next === undefined ? {} : { after: next }) as never
  }
  return { asked, slept, over: over.promise, host: { env, invokeAsHub } }
}

it('a round goes on until every version was looked at', async () => {
  const { asked, host, over } = hubOf(['page 1', 'page 2'], 1)
  const rounds = scrubRegularly(host)
  await over
  await rounds.close()
  expect(asked).toEqual([undefined, 'page 1', 'page 2'])
})

it('a round that fails is begun again at the next one, a day later', async () => {
  const { asked, slept, host, over } = hubOf(['broken', 'page 2'], 2)
  const rounds = scrubRegularly(host)
  await over
  await rounds.close()
  expect(asked).toEqual([undefined, 'broken', undefined, 'broken'])
  expect(slept[1]).toBe(DAY_MS)
})
