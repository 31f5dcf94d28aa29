// What `gate test` and `gate check` work on: a folder of rules, and the actions of the running hub or of this release.

import { resolve } from 'node:path'
import { factTypes } from '../../kernel/catalog/decide.ts'
import type { Definition } from '../../kernel/catalog/definition.ts'
import { asPolityError } from '../../kernel/errors.ts'
import { STARTER_DIR } from '../../kernel/gate/bundle.ts'
import type { Held } from '../../kernel/gate/findings.ts'
import type { TestedAction } from '../../kernel/gate/rule-tests.ts'
import type { PolicyState } from '../../kernel/gate/types.ts'
import { publishedUrl } from './address.ts'
import type { Call } from './command.ts'
import { loadContracts } from './contracts.ts'
import { escapeText } from './escape.ts'
import type { HubClient } from './hub-client.ts'
import { runningHub } from './hub-or-folder.ts'
import type { Settings } from './settings.ts'

/** Folder of the rules: that of --rules, or the rules that come along. */
export const rulesDirOf = ({ options }: Pick<Call, 'options'>): string =>
  typeof options.rules === 'string' ? resolve(options.rules) : STARTER_DIR

export interface ActionsAtHand {
  readonly actions: readonly TestedAction[]
  readonly from: 'hub' | 'release'
  /** Of the hub. */
  readonly url?: string
  readonly hub?: HubClient
  /** For people: whose actions these are. */
  readonly sentence: string
}

/**
 * Those of the hub of --url, or of the one that runs on the folder: its modules may have brought some. Without such a
 * hub, and where it does not say, those of this release. Throws what the hub of --url answers.
 */
export async function actionsAtHand(settings: Settings): Promise<ActionsAtHand> {
  const hub = await hubAtHand(settings)
  if (hub !== undefined) {
    const { url } = hub
    try {
      const actions = await actionsOfHub(hub)
      return {
        actions,
        from: 'hub',
        url,
        hub,
        sentence: `the ${actions.length} actions of the hub at ${url}`,
      }
    } catch (error) {
      if (settings.url !== undefined) throw error
      const shipped = await ofRelease()
      const why = escapeText(asPolityError(error).message)
      return {
        ...shipped,
        sentence: `${shipped.sentence}, as the hub at ${url} does not tell its own: ${why}`,
      }
    }
  }
  return ofRelease()
}

/** What the roll-out of a hub says of rules, with the texts in force. Throws what the hub answers. */
export async function heldAt(hub: HubClient): Promise<ReadonlyMap<string, Held>> {
  const { rollout } = (await hub.query('gate.rollout', {})) as {
    readonly rollout: { readonly policies?: Readonly<Record<string, PolicyState>> }
  }
  const held = new Map<string, Held>()
  for (const [policy, state] of Object.entries(rollout.policies ?? {})) {
    const { items } = (await hub.query('gate.rules', { policy, withText: true })) as {
      readonly items: readonly { readonly text?: string }[]
    }
    held.set(policy, { state, text: items[0]?.text })
  }
  return held
}

async function ofRelease(): Promise<ActionsAtHand> {
  const actions = await shippedActions()
  return { actions, from: 'release', sentence: `the ${actions.length} actions of this release` }
}

/** Not whichever hub happens to listen at the default place: what is found must not depend on that. */
const hubAtHand = async (settings: Settings): Promise<HubClient | undefined> =>
  settings.url === undefined && publishedUrl(settings.dataDir) === undefined
    ? undefined
    : runningHub(settings)

interface ActionsPage {
  readonly items: readonly TestedAction[]
  readonly after?: string
}

/** A hub has fewer than this many times a page. */
const PAGES_MAX = 64
const PAGE_SIZE = 1000

async function actionsOfHub(hub: HubClient): Promise<readonly TestedAction[]> {
  const actions: TestedAction[] = []
  let after: string | undefined
  for (let page = 0; page < PAGES_MAX; page++) {
    const input = { limit: PAGE_SIZE, ...(after === undefined ? {} : { after }) }
    const answer = (await hub.query('gate.actions', input)) as ActionsPage
    actions.push(...answer.items)
    after = answer.after
    if (after === undefined) break
  }
  return actions
}

/** Every action and query of this release, in the order of their names. */
export async function shippedActions(): Promise<readonly TestedAction[]> {
  const exported = (await loadContracts()).flatMap((contract) => Object.values(contract))
  const byName = new Map(exported.filter(isDefinition).map((definition) => [definition.name, definition]))
  return [...byName.values()]
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map((definition) => ({
      name: definition.name,
      facts: factTypes(definition),
      ...(definition.risk === undefined ? {} : { risk: definition.risk }),
      ...(definition.conduct === undefined ? {} : { conduct: definition.conduct }),
    }))
}

function isDefinition(value: unknown): value is Definition {
  const { kind, name, schema } = (value ?? {}) as Partial<Definition>
  return (kind === 'command' || kind === 'query') && typeof name === 'string' && schema !== undefined
}
