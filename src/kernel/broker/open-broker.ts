// Opens the broker that a text of the configuration names; its library is loaded only then.

import type { Env } from '../env.ts'
import { parseAccess } from './access.ts'
import type { Broker } from './broker.ts'

/** Throws `config.invalid`. Connects when it is first asked for something. */
export async function openBroker(
  text: string,
  { env, secret }: { readonly env: Env; readonly secret: (reference: string) => Promise<string> },
): Promise<Broker> {
  const { kind, load } = parseAccess(text, secret)
  if (kind === 'nats') return (await import('./nats/nats-broker.ts')).openNatsBroker(load, env)
  return (await import('./redis/redis-broker.ts')).openRedisBroker(load, env)
}
