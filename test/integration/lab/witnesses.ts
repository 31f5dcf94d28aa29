// What tests of witnesses share: hubs whose log others cosign, the stand-ins that do it, and what a hub says of them.

import { onTestFinished } from 'vitest'
import type { Hub, HubOptions } from '../../../src/hub.ts'
import type { Entry } from '../../../src/kernel/log/entry.ts'
import { state } from '../../../src/modules/state/module.ts'
import { openStandIn, type StandIn } from '../witness-stand-in.ts'
import { openTestHub } from './hubs.ts'

export async function standIn(name?: string): Promise<StandIn> {
  const opened = await openStandIn(name)
  onTestFinished(() => opened.close())
  return opened
}

export const openLog = (options: Partial<HubOptions> = {}): Promise<Hub> =>
  openTestHub(options.dir === undefined ? 'memory' : 'sqlite', { modules: [state], ...options })

const policyOf = ({ log }: Hub, witnesses: readonly StandIn[], quorum: string): string =>
  [
    `log ${log.vkey}`,
    ...witnesses.map(({ vkey, url }, n) => `witness w${n} ${vkey} ${url}`),
    ...(quorum.startsWith('group') ? [quorum, `quorum ${quorum.split(' ')[1]}`] : [`quorum ${quorum}`]),
    '',
  ].join('\n')

export const setPolicy = (hub: Hub, witnesses: readonly StandIn[], quorum = 'w0') =>
  hub.invoke(hub.owner, 'witness.set-policy', { policy: policyOf(hub, witnesses, quorum) })

export const put = (hub: Hub, options: Parameters<Hub['invoke']>[3] = {}) =>
  hub.invoke(hub.owner, 'state.put', { namespace: 'n', key: 'k', value: 1 }, options)

export const statusOf = async (hub: Hub) =>
  (await hub.ask(hub.owner, 'witness.status', {})).output as {
    readonly state: string
    readonly quorum: string
    readonly witnessedSize: number
    readonly witnesses: readonly { readonly name: string; readonly size: number; readonly error?: string }[]
  }

/** The next alert of a kind, which may have been raised already. */
export async function alertOf(hub: Hub, kind: string): Promise<Entry> {
  for await (const page of hub.log.follow(undefined, AbortSignal.timeout(30_000)))
    for (const entry of page)
      if (entry.type === 'log.alert-raised@1' && entry.data.kind === kind) return entry
  throw new Error(`no alert ${kind} was raised`)
}
