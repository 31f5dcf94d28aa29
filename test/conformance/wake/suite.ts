// What every Wake adapter must do: one suite, run by each of them.

import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Wake } from '../../../src/kernel/wake/wake.ts'

/** Two hubs of one realm; adapters that reach no other process give the same port twice. */
export interface OpenedWakes {
  readonly here: Wake
  readonly there: Wake
  close(): Promise<void>
}

/** Longer than any test may take: whoever is woken by it fails. */
export const NEVER_MS = 600_000
const open = new AbortController().signal

export function wakeConformance(name: string, openWakes: () => Promise<OpenedWakes>): void {
  describe(`${name} is a Wake`, () => {
    let opened: OpenedWakes
    beforeEach(async () => {
      opened = await openWakes()
    })
    afterEach(() => opened.close())

    describe('a notification', () => notificationTests(() => opened))
    describe('a wait', () => waitTests(() => opened))
  })
}

function notificationTests(opened: () => OpenedWakes): void {
  it('wakes those who wait for its topic, in the other hub and in its own', async () => {
    const { here, there } = opened()
    const waiting = [here, here, there].map((each) => each.wait('published', open, NEVER_MS))
    here.notify('published')
    await Promise.all(waiting)
  })

  it('wakes nobody who waits for another topic', async () => {
    const { here, there } = opened()
    const leaving = new AbortController()
    let isWoken = false
    const other = there.wait('lease', leaving.signal, NEVER_MS).then(() => {
      isWoken = true
    })
    const waiting = there.wait('published', open, NEVER_MS)
    here.notify('published')
    await waiting
    expect(isWoken).toBe(false)
    leaving.abort()
    await other
  })

  it('is kept for who comes late, once', async () => {
    const { here } = opened()
    here.notify('outbox')
    here.notify('outbox')
    await here.wait('outbox', open, NEVER_MS)
    let isWoken = false
    const leaving = new AbortController()
    const second = here.wait('outbox', leaving.signal, NEVER_MS).then(() => {
      isWoken = true
    })
    await Promise.resolve()
    expect(isWoken).toBe(false)
    leaving.abort()
    await second
  })

  it('wakes again and again', async () => {
    const { here, there } = opened()
    for (let turn = 0; turn < 50; turn++) {
      const waiting = there.wait('published', open, NEVER_MS)
      here.notify('published')
      await waiting
    }
  })

  it('may come in thousands', async () => {
    const { here, there } = opened()
    const waiting = ['a', 'b', 'c'].map((topic) => there.wait(topic, open, NEVER_MS))
    for (let turn = 0; turn < 3_000; turn++) for (const topic of ['a', 'b', 'c']) here.notify(topic)
    await Promise.all(waiting)
  })

  it.each(['', 'UPPER', 'a b', "a'; --", '?probe', '\0', 'é', 'x'.repeat(65)])('has no topic %j', (topic) => {
    const { here } = opened()
    expect(() => here.notify(topic)).toThrow(expect.objectContaining({ code: 'input.invalid' }))
    return expect(here.wait(topic, open, 1)).rejects.toMatchObject({ code: 'input.invalid' })
  })
}

function waitTests(opened: () => OpenedWakes): void {
  it('ends after its timeout, which is all that is left where nothing is pushed', async () => {
    await opened().there.wait('published', open, 5)
    await opened().there.wait('published', open, 0)
  })

  it('ends with its signal, and does not begin once that is aborted', async () => {
    const leaving = new AbortController()
    const waiting = opened().there.wait('published', leaving.signal, NEVER_MS)
    leaving.abort()
    await waiting
    await opened().there.wait('published', leaving.signal, NEVER_MS)
  })

  it('ends when the port is closed; later ones end by their timeouts', async () => {
    const { there } = opened()
    const waiting = there.wait('published', open, NEVER_MS)
    await there.close()
    await waiting
    await there.wait('published', open, 1)
  })

  it('is told that it is pushed', () => {
    expect(opened().here.isPushed()).toBe(true)
  })
}
