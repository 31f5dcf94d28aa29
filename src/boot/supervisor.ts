// Tells the service manager how the process is (sd_notify(3)): ready, reloading, stopping, and that it lives.

import { execFile } from 'node:child_process'
import process from 'node:process'
import type { Env } from '../kernel/env.ts'
import { pause } from '../kernel/env.ts'

/**
 * Each answers when the message is delivered, or could not be: what goes wrong stops nothing. Without NOTIFY_SOCKET
 * nothing happens.
 */
export interface Supervisor {
  ready(status: string): Promise<void>
  reloading(): Promise<void>
  stopping(): Promise<void>
}

export interface SupervisorOptions {
  readonly env: Pick<Env, 'monotonic' | 'sleepUntil'>
  readonly variables: Readonly<Record<string, string | undefined>>
  /** Stops telling that the process lives. */
  readonly signal: AbortSignal
  /** Whether it is still well: while it is not, the watchdog is not fed. */
  readonly isWell: () => boolean
  readonly onFailure: (sentence: string) => void
  readonly send?: (words: readonly string[]) => Promise<void>
}

const STATUS_SIZE_MAX = 200
const SEND_TIMEOUT_MS = 5_000

/** Node has no sockets for datagrams of this kind, so systemd-notify(1) sends them; it is there wherever the manager is. */
const sendBy =
  (variables: SupervisorOptions['variables']) =>
  (words: readonly string[]): Promise<void> =>
    new Promise((resolve, reject) => {
      const { NOTIFY_SOCKET, PATH } = variables
      execFile(
        'systemd-notify',
        [...words],
        { env: { NOTIFY_SOCKET, PATH }, timeout: SEND_TIMEOUT_MS },
        (error) => (error === null ? resolve() : reject(error)),
      )
    })

export function openSupervisor(options: SupervisorOptions): Supervisor {
  const { variables, onFailure, env } = options
  if (!variables.NOTIFY_SOCKET) {
    const nothing = () => Promise.resolve()
    return { ready: nothing, reloading: nothing, stopping: nothing }
  }
  const send = options.send ?? sendBy(variables)
  const tell = (...words: readonly string[]) =>
    send(words).catch((error: Error) => onFailure(`the service manager could not be told: ${error.message}`))
  void feedWatchdog(options, tell)
  return {
    ready: (status) => tell('READY=1', `MAINPID=${process.pid}`, `STATUS=${statusOf(status)}`),
    // MONOTONIC_USEC is CLOCK_MONOTONIC, which is what hrtime reads, not the start of the process.
    reloading: () => tell('RELOADING=1', `MONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`),
    stopping: () => tell('STOPPING=1', `STATUS=${statusOf('stopping')}`),
  }

  async function feedWatchdog(
    { signal, isWell }: SupervisorOptions,
    say: (word: string) => Promise<void>,
  ): Promise<void> {
    const intervalMs = watchdogIntervalMs(variables)
    if (intervalMs === undefined) return
    while (!signal.aborted) {
      if (isWell()) await say('WATCHDOG=1')
      await pause(env, intervalMs, signal)
    }
  }
}

/** Half of WATCHDOG_USEC, as sd_watchdog_enabled(3) advises; undefined where nobody watches this process. */
export function watchdogIntervalMs({
  WATCHDOG_USEC: usec,
  WATCHDOG_PID: pid,
}: SupervisorOptions['variables']): number | undefined {
  if (pid !== undefined && pid !== '' && pid !== String(process.pid)) return undefined
  if (usec === undefined || !/^[1-9]\d{0,15}$/.test(usec)) return undefined
  return Math.max(1, Math.floor(Number(usec) / 2000))
}

const statusOf = (text: string): string => text.replace(/\p{Cc}/gu, ' ').slice(0, STATUS_SIZE_MAX)
