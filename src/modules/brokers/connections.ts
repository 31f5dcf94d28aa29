// The brokers of a hub: one connection each, made when it is first needed, and what it says of its settings.

import { parseAccess } from '../../kernel/broker/access.ts'
import type { Broker, BrokerReport } from '../../kernel/broker/broker.ts'
import { openBroker } from '../../kernel/broker/open-broker.ts'
import type { ModuleHost } from '../../kernel/catalog/module.ts'
import { pause } from '../../kernel/env.ts'
import { asPolityError, PolityError } from '../../kernel/errors.ts'
import type { Static } from '../../kernel/schema/schema.ts'
import type { BrokerShape } from './schemas.ts'
import type { BrokersOptions } from './settings.ts'

/** A broker that does not answer must not hold up whoever asks for all of them. */
const PROBE_MS = 4_000

export interface Connections {
  readonly names: readonly string[]
  has(name: string): boolean
  /** Throws `config.invalid`, `not-found`. */
  broker(name: string): Promise<Broker>
  /** Reads what the connection would be made with, and makes none. Throws `config.invalid`, `not-found`, `secret.missing`. */
  requireAccess(name: string): Promise<void>
  report(name: string, places: readonly string[]): Promise<Static<typeof BrokerShape>>
  close(): Promise<void>
}

type ConnectionsHost = Pick<ModuleHost, 'env' | 'secret'>

export function openConnections(host: ConnectionsHost, { brokers = {} }: BrokersOptions): Connections {
  const opened = new Map<string, Promise<Broker>>()
  const known = new Map(Object.entries(brokers))
  let isClosed = false
  const open = async (name: string): Promise<Broker> => {
    const setting = known.get(name)
    if (setting === undefined) throw unknownBroker(name)
    return typeof setting === 'string' ? openBroker(setting, host) : setting(host.env)
  }
  const broker = async (name: string): Promise<Broker> => {
    if (isClosed) throw new PolityError('cancelled', 'the hub is closing')
    const one = opened.get(name) ?? open(name)
    opened.set(name, one)
    one.catch(() => opened.delete(name))
    return one
  }
  return {
    names: [...known.keys()].sort(),
    has: (name) => known.has(name),
    broker,
    async requireAccess(name) {
      const setting = known.get(name)
      if (setting === undefined) throw unknownBroker(name)
      if (typeof setting === 'string') await parseAccess(setting, host.secret).load()
    },
    async report(name, places) {
      try {
        const report = await inTime(host, async () => (await broker(name)).probe(places))
        return { name, isReachable: true, ...shown(report) }
      } catch (error) {
        return { name, isReachable: false, error: asPolityError(error).message, findings: [] }
      }
    },
    async close() {
      isClosed = true
      await Promise.all(
        [...opened.values()].map((one) => one.then((it) => it.close()).catch(() => undefined)),
      )
    },
  }
}

export const unknownBroker = (name: string): PolityError =>
  new PolityError('not-found', `there is no broker ${name}: set brokers.connections to ${name}=URL`)

async function inTime<T>({ env }: ConnectionsHost, ask: () => Promise<T>): Promise<T> {
  const done = new AbortController()
  const late = pause(env, PROBE_MS, done.signal).then(() => {
    throw new PolityError('broker.unreachable', `the broker has not answered within ${PROBE_MS} ms`)
  })
  late.catch(() => undefined)
  try {
    return await Promise.race([ask(), late])
  } finally {
    done.abort()
  }
}

const shown = ({ kind, version, findings }: BrokerReport) => ({
  kind,
  version,
  findings: findings.map((finding) => ({ ...finding })),
})
