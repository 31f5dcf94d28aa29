// Two hubs of one realm on one database, as an operator sets up the second one: with the keys of the first.

import { copyFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { type Hub, type HubOptions, openHub } from '../../../src/hub.ts'
import { dropRealm, POSTGRES_URL, randomRealm } from '../../conformance/store/postgres-server.ts'
import { tempFolder } from './hubs.ts'

const KEYS = ['log.key', 'statements.key', 'vault.key', 'witness.key']

/** Each has modules of its own, as each is a process of its own. Gone when the test has finished. */
export async function twoHubs(
  options: (root: string) => Pick<HubOptions, 'modules' | 'policyDir' | 'env' | 'egress'>,
): Promise<{ readonly first: Hub; readonly second: Hub }> {
  const { root } = tempFolder()
  const realm = randomRealm()
  onTestFinished(() => dropRealm(realm).then(() => undefined))
  const open = async (name: string): Promise<Hub> => {
    const hub = await openHub({
      dir: join(root, name),
      anchorPath: join(root, `${name}.anchor`),
      storeUrl: POSTGRES_URL,
      realm,
      ...options(root),
    })
    onTestFinished(() => hub.close())
    return hub
  }
  const first = await open('a')
  mkdirSync(join(root, 'b'), { mode: 0o700 })
  for (const key of KEYS) copyFileSync(join(root, 'a', key), join(root, 'b', key))
  return { first, second: await open('b') }
}
