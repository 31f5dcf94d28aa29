// Takes a hub back, offline, for whoever owns its folder: every owner's token is revoked and a new one issued, and the log says so.

import { recordAsHub } from '../catalog/hub-records.ts'
import { HubRescued } from '../catalog/records.ts'
import type { Env } from '../env.ts'
import { asPolityError, type PolityError } from '../errors.ts'
import { TokenIssued, TokenRevoked, tokens } from '../identity/contract.ts'
import { identityContract, mintToken, OWNER } from '../identity/identity.ts'
import type { Draft } from '../log/entry.ts'
import { writeSecretFile } from '../log/files.ts'
import { dataPaths } from '../log/layout.ts'
import { viewTable } from '../log/view.ts'
import { openRealm } from '../realm/open-realm.ts'
import type { Realm } from '../realm/realm.ts'
import { RulesReset } from '../rules/contract.ts'
import { rulesContract } from '../rules/room.ts'
import { pages } from '../store/pages.ts'
import { systemContract } from '../system/module.ts'

export interface RescueOptions {
  readonly env: Env
  /** Name of the operating system's user who asks. */
  readonly user: string
  readonly reason?: string
  /** Whether the next start has the starter rules and the configured mode, whatever was in force. */
  readonly hasStarterRules?: boolean
  readonly anchorPath?: string
  readonly realm?: string
  /** `postgres://...`: the log is in this database; the folder has the keys. */
  readonly storeUrl?: string
}

export interface RescuedHub {
  readonly origin: string
  /** Ids of the tokens that were revoked. */
  readonly revoked: readonly string[]
  /** Id of the owner's new token, whose text is in the file. */
  readonly token: string
  readonly tokenFile: string
  /** What the next start has in force: what it would have had, or the starter rules. */
  readonly rules: 'kept' | 'starter'
}

/** Tokens that one transaction revokes; with the three other facts a proposal may hold. */
const REVOKED_AT_ONCE = 1000

/**
 * Revokes all tokens of owners, issues one, and writes it to DATA/admin.token, readable by the owner only. Sessions
 * and sign-in links end with their tokens. Throws `store.locked` while a hub runs on the folder, and what opening
 * a log refuses.
 */
export async function rescueHub(dir: string, options: RescueOptions): Promise<RescuedHub> {
  const failures: PolityError[] = []
  const realm = await openRealm({
    name: options.realm ?? 'main',
    dir,
    // Views of other contracts are left out here and go on at the next start.
    contracts: [identityContract, systemContract, rulesContract],
    env: options.env,
    onFailure: (error) => failures.push(error),
    ...(options.anchorPath === undefined ? {} : { anchorPath: options.anchorPath }),
    ...(options.storeUrl === undefined ? {} : { storeUrl: options.storeUrl }),
  })
  try {
    const revoked = await ownersTokens(realm)
    const { id, token } = await replaceTokens(realm, revoked, options)
    const { adminToken } = dataPaths(dir)
    writeSecretFile(adminToken, `${token}\n`)
    const rules = options.hasStarterRules === true ? 'starter' : 'kept'
    return { origin: realm.log.origin, revoked, token: id, tokenFile: adminToken, rules }
  } catch (error) {
    throw failures[0] ?? asPolityError(error)
  } finally {
    await realm.close()
  }
}

/** Ids of tokens of owners that are not revoked, expired ones among them: their clock may have been wrong. */
async function ownersTokens({ reader }: Realm): Promise<string[]> {
  const ids: string[] = []
  for await (const page of pages(reader, viewTable(tokens)))
    for (const { key, value } of page) {
      const { principal, revokedAt } = JSON.parse(value) as {
        readonly principal: { readonly roles: readonly string[] }
        readonly revokedAt?: string
      }
      if (revokedAt === undefined && principal.roles.includes('owner')) ids.push(key)
    }
  return ids
}

/** In one transaction, unless there are more tokens than one takes; the new one comes with the last of them. */
async function replaceTokens(
  { name, log }: Realm,
  revoked: readonly string[],
  { env, user, reason, hasStarterRules }: RescueOptions,
): Promise<{ readonly id: string; readonly token: string }> {
  const { id, token, verifier } = mintToken(env)
  const issued = TokenIssued({
    id,
    verifier,
    principal: { kind: 'user', id: OWNER.id, roles: [...OWNER.roles] },
  })
  const ports = { log, env, source: `polity://${name}` }
  for (let at = 0; at === 0 || at < revoked.length; at += REVOKED_AT_ONCE) {
    const some = revoked.slice(at, at + REVOKED_AT_ONCE)
    const isLast = at + REVOKED_AT_ONCE >= revoked.length
    const rescued = HubRescued(
      { user, revoked: some, ...(reason === undefined ? {} : { reason }) },
      { subject: 'hub' },
    )
    const reset = isLast && hasStarterRules === true ? [resetOf(user, reason)] : []
    const drafts = [
      ...some.map((each) => TokenRevoked({ id: each })),
      ...(isLast ? [issued] : []),
      ...reset,
      rescued,
    ]
    await recordAsHub(ports, drafts, {}, { wait: 'signed', isReserved: true })
  }
  return { id, token }
}

const resetOf = (user: string, reason: string | undefined): Draft =>
  RulesReset({ user, ...(reason === undefined ? {} : { reason }) }, { subject: 'gate' })
