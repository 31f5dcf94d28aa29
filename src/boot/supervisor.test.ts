// What the service manager is told, word for word, and what happens when nobody listens.

import process from 'node:process'
import { describe, expect, it } from 'vitest'
import { seededChance } from '../kernel/simulator/chance.ts'
import { simulatedEnv } from '../kernel/simulator/env.ts'
import { openSupervisor, type SupervisorOptions, watchdogIntervalMs } from './supervisor.ts'

const settle = async () => {
  for (let i = 0; i < 20; i++) await Promise.resolve()
}

function open(variables: SupervisorOptions['variables'], more: Partial<SupervisorOptions> = {}) {
  const env = simulatedEnv(seededChance(1))
  const said: string[][] = []
  const failures: string[] = []
  const closing = new AbortController()
  const supervisor = openSupervisor({
    env,
    variables,
    signal: closing.signal,
    isWell: () => true,
    onFailure: (sentence) => failures.push(sentence),
    send: async (words) => void said.push([...words]),
    ...more,
  })
  return { env, said, failures, closing, supervisor }
}

const SOCKET = { NOTIFY_SOCKET: '/run/systemd/notify' }

describe('the service manager', () => {
  it('hears of readiness, of a reload with its time, and of the stop', async () => {
    const { supervisor, said } = open(SOCKET)
    await supervisor.ready('listening at http://127.0.0.1:7070\nREADY=0')
    await supervisor.reloading()
    await supervisor.stopping()
    expect(said[0]).toEqual([
      'READY=1',
      `MAINPID=${process.pid}`,
      'STATUS=listening at http://127.0.0.1:7070 READY=0',
    ])
    expect(said[1]?.[0]).toBe('RELOADING=1')
    expect(said[1]?.[1]).toMatch(/^MONOTONIC_USEC=\d+$/)
    expect(said[2]).toEqual(['STOPPING=1', 'STATUS=stopping'])
  })

  it('is not spoken to where there is none', async () => {
    for (const variables of [{}, { NOTIFY_SOCKET: '' }]) {
      const { supervisor, said } = open({ ...variables, WATCHDOG_USEC: '1000000' })
      await supervisor.ready('here')
      await supervisor.stopping()
      expect(said).toEqual([])
    }
  })

  it('hears that the process lives at half the time it asks for, while it is well and until it closes', async () => {
    let isWell = true
    const { env, said, closing } = open({ ...SOCKET, WATCHDOG_USEC: '30000000' }, { isWell: () => isWell })
    await settle()
    env.advance()
    await settle()
    expect(env.monotonic()).toBe(15_000)
    expect(said).toEqual([['WATCHDOG=1'], ['WATCHDOG=1']])
    isWell = false
    env.advance()
    await settle()
    expect(said).toHaveLength(2)
    closing.abort()
    await settle()
    expect(env.advance()).toBe(false)
  })

  it('stops nothing when it cannot be reached', async () => {
    const { supervisor, failures } = open(SOCKET, { send: () => Promise.reject(new Error('ENOENT')) })
    await supervisor.ready('here')
    expect(failures).toEqual(['the service manager could not be told: ENOENT'])
  })

  it.each<readonly [SupervisorOptions['variables'], number | undefined]>([
    [{}, undefined],
    [{ WATCHDOG_USEC: '3000000' }, 1500],
    [{ WATCHDOG_USEC: '3000000', WATCHDOG_PID: String(process.pid) }, 1500],
    [{ WATCHDOG_USEC: '3000000', WATCHDOG_PID: '1' }, undefined],
    [{ WATCHDOG_USEC: '1' }, 1],
    ...['0', '-1', '1e6', 'soon', '99999999999999999', ''].map(
      (usec) => [{ WATCHDOG_USEC: usec }, undefined] as const,
    ),
  ])('%o asks for a sign of life every %s ms', (variables, intervalMs) => {
    expect(watchdogIntervalMs(variables)).toBe(intervalMs)
  })
})
