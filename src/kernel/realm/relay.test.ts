// The relay between a writer that speaks early and a log that listens late.

import { describe, expect, it } from 'vitest'
import { PolityError } from '../errors.ts'
import { openRelay, type RelayTarget } from './relay.ts'

const at = (size: number) => ({ size, checkpoint: `note ${size}` })
const lost = new PolityError('log.closed', 'the writer thread has ended')
const endless = new AbortController().signal

function listening() {
  const heard: unknown[] = []
  const target: RelayTarget = {
    announce: ({ size }) => heard.push(size),
    lose: ({ code }) => heard.push(code),
  }
  return { heard, target }
}

describe('a relay', () => {
  it('keeps the last checkpoint for who comes late, and passes on what follows', async () => {
    const relay = openRelay()
    relay.announce(at(1))
    relay.announce(at(2))
    expect(await relay.last(endless)).toEqual(at(2))
    const { heard, target } = listening()
    relay.connect(target)
    relay.announce(at(3))
    relay.lose(lost)
    expect(heard).toEqual([3, 'log.closed'])
  })

  it('waits for the first one', async () => {
    const relay = openRelay()
    const last = relay.last(endless)
    relay.announce(at(7))
    expect(await last).toEqual(at(7))
  })

  it('waits no longer for a writer that is lost', async () => {
    const relay = openRelay()
    const last = relay.last(endless)
    relay.lose(lost)
    await expect(last).rejects.toBe(lost)
    await expect(relay.last(endless)).rejects.toBe(lost)
  })

  it('tells who comes late that all is lost, after what was published', async () => {
    const relay = openRelay()
    relay.announce(at(1))
    relay.lose(lost)
    expect(await relay.last(endless)).toEqual(at(1))
    const { heard, target } = listening()
    relay.connect(target)
    expect(heard).toEqual(['log.closed'])
  })

  it('gives up at the deadline, with what went wrong until then', async () => {
    const deadline = new AbortController()
    const failing = openRelay()
    const waiting = failing.last(deadline.signal)
    failing.fail(new PolityError('anchor.unwritable', 'no space left on device'))
    const silent = openRelay().last(deadline.signal)
    deadline.abort()
    await expect(waiting).rejects.toMatchObject({ code: 'anchor.unwritable' })
    await expect(silent).rejects.toMatchObject({ code: 'timeout' })
    await expect(openRelay().last(deadline.signal)).rejects.toMatchObject({ code: 'timeout' })
  })
})
