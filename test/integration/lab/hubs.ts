// Opens hubs for tests: in memory and on disk, with everything cleaned up at the end of the test.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { type Hub, type HubOptions, openHub } from '../../../src/hub.ts'
import type { Caller } from '../../../src/kernel/catalog/caller.ts'
import { asPolityError, type PolityError } from '../../../src/kernel/errors.ts'
import { tokens } from '../../../src/kernel/identity/contract.ts'
import { OWNER } from '../../../src/kernel/identity/identity.ts'
import type { Entry } from '../../../src/kernel/log/entry.ts'

export { codeOf } from '../../../src/kit/codes.fixture.ts'

export const ENGINES = ['memory', 'sqlite'] as const
export type Engine = (typeof ENGINES)[number]

export const owner: Caller = { chain: [OWNER] }
export const somebody: Caller = { chain: [{ kind: 'user', id: 'somebody', roles: [] }] }
/** An agent that acts for the owner. */
export const ownersAgent: Caller = { chain: [OWNER, { kind: 'agent', id: 'helper', roles: ['owner'] }] }

/** A folder that is gone when the test has finished: DATA in `data`, the anchor beside it. */
export function tempFolder(): { readonly dir: string; readonly anchorPath: string; readonly root: string } {
  const root = mkdtempSync(join(tmpdir(), 'polity-hub-'))
  onTestFinished(() => rmSync(root, { recursive: true, force: true }))
  return { root, dir: join(root, 'data'), anchorPath: join(root, 'anchor') }
}

/** Opens a hub that closes when the test has finished, if nobody closed it before. */
export async function openTestHub(engine: Engine, options: HubOptions): Promise<Hub> {
  const place = engine === 'memory' ? {} : tempPlace(options)
  const hub = await openHub({ publishIntervalMs: 1, ...options, ...place })
  onTestFinished(() => hub.close())
  return hub
}

const tempPlace = ({ dir, anchorPath }: HubOptions): Pick<HubOptions, 'dir' | 'anchorPath'> => {
  const fresh = dir === undefined ? tempFolder() : undefined
  const place = { dir: dir ?? fresh?.dir ?? '', anchorPath: anchorPath ?? fresh?.anchorPath ?? '' }
  return place
}

/** Every entry that was committed so far, or those of one type. */
export async function entriesOf(hub: Hub, type?: string): Promise<readonly Entry[]> {
  await settle(hub)
  const entries: Entry[] = []
  let after: string | undefined
  for (;;) {
    const page = await hub.log.read({
      limit: 1000,
      ...(type === undefined ? {} : { type }),
      ...(after === undefined ? {} : { after }),
    })
    entries.push(...page.entries)
    after = page.cursor
    if (page.entries.length < 1000) return entries
  }
}

/** Resolves once everything that was committed so far is published. */
export const settle = async (hub: Hub): Promise<number> => {
  // Ending a session that never was goes through the queue behind everything else; a view answers once what it saw is published.
  await hub.identity.signOut('nobody')
  await hub.views.list(tokens, { limit: 1 })
  return hub.log.head().size
}

/** What it fails with; throws where it does not fail. */
export async function errorOf(promise: Promise<unknown>): Promise<PolityError> {
  try {
    await promise
  } catch (error) {
    return asPolityError(error)
  }
  throw new Error('it did not fail')
}

/** A promise and the functions that settle it, with a flag for whoever waits to be told. */
export function gate(): { readonly open: () => void; readonly opened: Promise<void> } {
  const { promise, resolve } = Promise.withResolvers<void>()
  return { open: resolve, opened: promise }
}
