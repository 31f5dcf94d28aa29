// A hub whose rules ask people, and the people whom they ask.

import { copyFileSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import type { Hub, HubOptions } from '../../../src/hub.ts'
import type { Caller } from '../../../src/kernel/catalog/caller.ts'
import type { Answer, InvokeOptions } from '../../../src/kernel/catalog/invoke.ts'
import { STARTER_DIR } from '../../../src/kernel/gate/bundle.ts'
import { state } from '../../../src/modules/state/module.ts'
import { type Engine, entriesOf, openTestHub, owner, tempFolder } from './hubs.ts'
import { lab } from './module.ts'

const RULES = `
@id("everybody")
permit (principal, action, resource);

@id("token-scope")
@description("The token does not cover this action")
forbid (principal, action, resource) unless { context.inScope };

@id("danger-needs-security")
@description("Danger needs two people of security")
@obligation("security:2")
forbid (principal, action in Polity::Action::"lab.danger", resource)
unless { context.approvals.contains("security:2") };

@id("counting-needs-committee")
@description("Counting needs the committee")
@obligation("committee.security")
forbid (principal, action in Polity::Action::"lab.increment", resource)
unless { context.approvals.contains("committee.security") };

@id("work-needs-owner")
@description("Work needs an owner")
@obligation("owner:1")
forbid (principal, action in Polity::Action::"lab.work", resource)
unless { context.approvals.contains("owner:1") };

@id("writing-needs-owner")
@description("Writing needs an owner")
@obligation("owner:1")
forbid (principal, action in Polity::Action::"state.put", resource)
unless { context.approvals.contains("owner:1") };
`

/** A folder with these rules and, where given, more. */
export function approvalRules(root: string, more = ''): string {
  const folder = join(root, 'rules')
  mkdirSync(folder, { recursive: true })
  for (const file of readdirSync(STARTER_DIR).filter((name) => name.endsWith('.cedarschema')))
    copyFileSync(join(STARTER_DIR, file), join(folder, file))
  writeFileSync(join(folder, 'rules.cedar'), RULES + more)
  return folder
}

export const person = (id: string, ...roles: string[]): Caller => ({ chain: [{ kind: 'user', id, roles }] })

export const ann = person('ann')
export const bob = person('bob', 'security')
export const cyd = person('cyd', 'security')
export const dan = person('dan', 'security')
export const bot: Caller = { chain: [{ kind: 'agent', id: 'bot', roles: [] }] }

/** The id of the approval under which a request waits. */
export async function held(
  hub: Hub,
  caller: Caller,
  action: string,
  input: object,
  options: InvokeOptions = {},
): Promise<string> {
  const answer = await hub.invoke(caller, action, input, options)
  if (answer.status !== 'suspended' || answer.approval === undefined)
    throw new Error(`${action} is ${answer.status}, and waits for nobody`)
  return answer.approval
}

export async function vote(
  hub: Hub,
  caller: Caller,
  approval: string,
  choice: 'approve' | 'deny' | 'abstain' = 'approve',
  more: object = {},
): Promise<{ status: string; owed: string[] }> {
  const reason = choice === 'deny' ? { reason: 'not today' } : {}
  const answer = await hub.invoke(caller, `approvals.${choice}`, { approval, ...reason, ...more })
  return outputOf(answer) as { status: string; owed: string[] }
}

export function outputOf(answer: Answer): unknown {
  if (answer.status !== 'done') throw new Error(`${answer.status}: ${JSON.stringify(answer)}`)
  return answer.output
}

export interface Shown {
  readonly status: string
  readonly closed?: { readonly rule: string; readonly by?: string; readonly reason?: string }
  readonly carriedOut?: { readonly decision: string; readonly run?: string }
  readonly input?: unknown
  readonly progress: readonly string[]
  readonly votes: readonly { readonly voter: string; readonly isSolo: boolean; readonly assurance: string }[]
  readonly statements: Readonly<Record<'approve' | 'deny' | 'abstain' | 'breakGlass', string>>
  readonly isReviewOwed: boolean
  readonly answers: readonly string[]
  readonly escalated: readonly { readonly role: string }[]
}

/** @param said the reason, and in whose place, that the statements are to cover */
export const shown = async (
  hub: Hub,
  approval: string,
  caller: Caller = owner,
  said: object = {},
): Promise<Shown> => (await hub.ask(caller, 'approvals.get', { approval, ...said })).output as Shown

/** Waits until the hub has done its part about it. */
export async function reached(hub: Hub, approval: string, status: string): Promise<Shown> {
  await expect
    .poll(async () => (await shown(hub, approval)).status, { timeout: 20_000, interval: 10 })
    .toBe(status)
  return shown(hub, approval)
}

/** What a hub with these rules is opened with. */
export const modules = [lab(), state]

export function opened(engine: Engine = 'memory', more: Partial<HubOptions> = {}): Promise<Hub> {
  return openTestHub(engine, { modules, policyDir: approvalRules(tempFolder().root), ...more })
}

/** How many entries of a type are about an approval. */
export const count = async (hub: Hub, type: string, approval: string): Promise<number> =>
  (await entriesOf(hub, type)).filter(({ data }) => data.approval === approval).length
