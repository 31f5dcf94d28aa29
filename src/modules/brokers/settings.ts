// What of brokers can be set where the hub is started.

import type { Broker } from '../../kernel/broker/broker.ts'
import type { Env } from '../../kernel/env.ts'
import { PolityError } from '../../kernel/errors.ts'

/** A text as `openBroker` reads it, or what opens a broker of another kind. */
export type BrokerSetting = string | ((env: Env) => Broker | Promise<Broker>)

export interface BrokersOptions {
  /** Name -> how to reach it. Default none: then there are neither sinks nor sources. */
  readonly brokers?: Readonly<Record<string, BrokerSetting>>
}

const CONNECTION = /^([a-z0-9][a-z0-9-]{0,63})=(.+)$/s

/** `NAME=URL`, one for each broker. Throws `config.invalid`, which never shows a URL. */
export function parseConnections(texts: readonly string[]): Readonly<Record<string, string>> {
  const known = new Map<string, string>()
  for (const [place, text] of texts.entries()) {
    const [, name, url] = CONNECTION.exec(text) ?? []
    if (name === undefined || url === undefined)
      throw invalid(place, 'is no NAME=URL, with a name of small letters, digits and -')
    if (known.has(name)) throw invalid(place, `names ${name} again`)
    known.set(name, url)
  }
  return Object.fromEntries(known)
}

const invalid = (place: number, why: string): PolityError =>
  new PolityError('config.invalid', `number ${place + 1} of the brokers ${why}`)
