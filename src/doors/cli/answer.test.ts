// Waiting for a run: whoever waits for long learns that it needs no terminal, and nobody else does.

import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { showAction } from './answer.ts'
import type { Call } from './command.ts'
import { EXIT } from './exit-codes.ts'
import type { ActionAnswer, HubClient } from './hub-client.ts'

const RUNNING = { status: 'running', run: 'r1', decision: 'd1' } as const
const DONE: ActionAnswer = { status: 'done', output: { name: 'x' }, decision: 'd1', cursor: 'c' }

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

function waiting() {
  const notes: string[] = []
  const { promise, resolve } = Promise.withResolvers<ActionAnswer>()
  const terminal = { note: (line: string) => notes.push(line), data: async () => undefined, width: 100 }
  const call = { terminal, settings: { isJson: false }, options: {} } as unknown as Call
  const hub = { finish: () => promise } as unknown as HubClient
  return { notes, end: () => resolve(DONE), shown: showAction(call, hub, RUNNING, 'x.y@1') }
}

it('a long run says once how to look after it elsewhere', async () => {
  const { notes, end, shown } = waiting()
  await vi.advanceTimersByTimeAsync(60_000)
  expect(notes).toEqual([
    'running as r1',
    'still running; it goes on without this command: polity runs journal r1',
  ])
  end()
  expect(await shown).toBe(EXIT.ok)
})

it('a short one says nothing of the kind, and leaves no timer behind', async () => {
  const { notes, end, shown } = waiting()
  end()
  await shown
  expect(notes).toEqual(['running as r1'])
  expect(vi.getTimerCount()).toBe(0)
})
