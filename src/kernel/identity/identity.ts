// The identity room: who is asking. Tokens, single-use sign-in codes and browser sessions; secrets are kept as hashes only.

import { Buffer } from 'node:buffer'
import { createHmac, hash, timingSafeEqual } from 'node:crypto'
import { type Caller, callerOf } from '../catalog/caller.ts'
import type { Reads } from '../catalog/context.ts'
import { isInScope } from '../catalog/decide.ts'
import type { OpenedModule } from '../catalog/module.ts'
import { pageOf } from '../catalog/page-of.ts'
import { actorOf, seal } from '../catalog/recorder.ts'
import type { Env } from '../env.ts'
import { PolityError } from '../errors.ts'
import type { Chain, Principal } from '../gate/types.ts'
import type { Log } from '../log/log.ts'
import type { Views } from '../log/views.ts'
import { KnownOpenings } from '../schema/privacy.ts'
import type { Store } from '../store/store.ts'
import { isAlone } from './alone.ts'
import * as contract from './contract.ts'
import {
  createSignIn,
  issueToken,
  listTokens,
  revokeToken,
  SessionOpened,
  TokenIssued,
  TokenRevoked,
  type TokenRow,
  tokens,
  verifiers,
} from './contract.ts'
import { neverBack } from './never-back.ts'
import { openRoles } from './roles.ts'
import { digestOf, idOfDigest, readText, SECRET_SIZE_BYTES, textOf } from './token-text.ts'
import { expiryOf, isGood } from './validity.ts'

/** Working state: hash of a used sign-in code -> nothing. */
const USED_CODES = 'identity.used-codes'
/** Working state: hash of a session's secret -> SessionRow. */
export const SESSIONS = 'identity.sessions'

export const SIGN_IN_VALID_MS = 10 * 60_000
export const SESSION_VALID_MS = 12 * 3600_000

export const OWNER: Principal = { kind: 'user', id: 'owner', roles: ['owner'] }

interface SessionRow extends Caller {
  readonly expiresAtMs: number
}

export interface IdentityPorts {
  readonly log: Log
  readonly views: Views
  readonly reader: Store
  readonly env: Env
  /** What has expired by then stays so, whatever the clock says: see never-back.ts. */
  readonly notBeforeMs?: number
  readonly source: string
  /** Key of this hub for codes that it issues and reads itself. */
  readonly codeKey: Uint8Array
}

export interface Session {
  readonly secret: string
  readonly expiresAtMs: number
}

export interface Identity {
  /** Throws `auth.invalid` or `auth.expired`, without saying which part was wrong. */
  byToken(token: string): Promise<Caller>
  bySession(secret: string): Promise<Caller>
  /** Throws `auth.invalid` or `auth.expired` when the caller's token is not good any more. */
  requireLive(caller: Caller): Promise<void>
  /**
   * Consumes a sign-in code; the session ends with the token behind it, at the latest after SESSION_VALID_MS.
   * Throws `auth.invalid` when it is unknown, used or its token revoked, `auth.expired`.
   */
  signIn(code: string): Promise<Session>
  signOut(secret: string): Promise<void>
  /** A code without an invocation: the link that the terminal of `polity up` shows. */
  signInCode(caller: Caller): { readonly code: string; readonly expiresAtMs: number }
  /** Issues the owner's token at the first start. */
  bootstrap(): Promise<string>
  /** Whether a single person holds the role of owner. */
  isSolo(): Promise<boolean>
  /** The roles of somebody who is named and has shown no token. */
  readonly rolesOf: (principal: Pick<Principal, 'kind' | 'id'>) => Promise<readonly string[]>
  readonly module: OpenedModule
}

export const identityContract = {
  url: new URL('./contract.ts', import.meta.url).href,
  exports: { ...contract },
}

export function openIdentity(given: IdentityPorts): Identity {
  const ports = { ...given, env: neverBack(given.env, given.notBeforeMs) }
  const { env, log, reader, views } = ports
  const mint = () => mintToken(env)
  const codes = signInCodes(ports)
  const live = (caller: Caller) => liveToken(views, caller.token, env.now())

  return {
    async byToken(token) {
      const read = readText(token)
      const row = read && (await views.get(tokens, read.id))
      if (!row || !equalHex(row.value.verifier, digestOf(read.secret))) throw invalid()
      requireGood(row.value, env.now())
      const { principal, scopes } = row.value
      return { chain: [principal], token: row.key, ...(scopes === undefined ? {} : { scopes }) }
    },
    async bySession(secret) {
      const key = hash('sha256', secret, 'hex')
      const row = (await reader.load(SESSIONS, [key])).value.get(key)
      if (row?.value == null) throw invalid()
      const session = JSON.parse(row.value) as SessionRow
      if (session.expiresAtMs <= env.now()) throw expired()
      await live(session)
      return callerOf(session)
    },
    async requireLive(caller) {
      await live(caller)
    },
    async signIn(code) {
      const { caller, usedKey, expiresAtMs: codeExpiresAtMs } = codes.read(code)
      const secret = Buffer.from(env.random(32)).toString('base64url')
      const token = await live(caller)
      const expiresAtMs = Math.min(env.now() + SESSION_VALID_MS, expiryOf(token))
      const session: SessionRow = { ...caller, expiresAtMs }
      const actor = actorOf(caller.chain)
      const opened = SessionOpened({
        principal: shownPrincipal(caller.chain),
        expiresAt: new Date(expiresAtMs).toISOString(),
      })
      const { entries } = seal(
        [opened],
        { source: ports.source, actor, correlationid: env.id() },
        env,
        new KnownOpenings(),
      )
      try {
        await log.append({
          entries,
          expect: [{ table: USED_CODES, key: usedKey, version: 0 }],
          rows: [
            { table: USED_CODES, key: usedKey, value: '{}', expiresAtMs: codeExpiresAtMs },
            {
              table: SESSIONS,
              key: hash('sha256', secret, 'hex'),
              value: JSON.stringify(session),
              expiresAtMs,
            },
          ],
        })
      } catch (error) {
        if (error instanceof PolityError && error.code === 'expectation.failed') throw invalid()
        throw error
      }
      return { secret, expiresAtMs }
    },
    async signOut(secret) {
      const key = hash('sha256', secret, 'hex')
      await log.append(
        { entries: [], rows: [{ table: SESSIONS, key, value: null, expiresAtMs: env.now() }] },
        { isReserved: true },
      )
    },
    signInCode: codes.issue,
    async bootstrap() {
      const { id, token, verifier } = mint()
      const issued = TokenIssued({
        id,
        verifier,
        principal: { kind: 'user', id: OWNER.id, roles: [...OWNER.roles] },
      })
      const { entries } = seal(
        [issued],
        { source: ports.source, actor: 'hub:polity', correlationid: env.id() },
        env,
        new KnownOpenings(),
      )
      await log.append({ entries }, { wait: 'signed' })
      return token
    },
    async isSolo() {
      return isAlone(views, env.now())
    },
    rolesOf: openRoles(views, env, isGood),
    module: identityModule(mint, codes, env),
  }
}

export const WORKING_TABLES = [USED_CODES, SESSIONS] as const

function identityModule(mint: () => MintedToken, codes: SignInCodes, env: Env): OpenedModule {
  return {
    commands: [
      issueToken.handle(async (ctx, input) => {
        const { kind, id: principalId, roles = [], scopes, expiresInSeconds, secretDigest } = input
        const granted = scopes ?? ctx.scopes
        refuseWider(granted, ctx.scopes)
        const own = await liveToken(ctx, ctx.token, env.now())
        const expiresAtMs = Math.min(
          expiryOf(own),
          expiresInSeconds === undefined ? Infinity : env.now() + expiresInSeconds * 1000,
        )
        const { id, verifier, ...shown } =
          secretDigest === undefined ? mint() : await given(ctx, secretDigest)
        const issued = {
          id,
          principal: { kind, id: principalId, roles },
          ...(granted === undefined ? {} : { scopes: [...granted] }),
          ...(expiresAtMs === Infinity ? {} : { expiresAt: new Date(expiresAtMs).toISOString() }),
        }
        ctx.record(TokenIssued({ ...issued, verifier }))
        return { ...issued, ...shown }
      }),
      revokeToken.handle(async (ctx, { id }) => {
        const row = await ctx.get(tokens, id)
        if (!row) throw new PolityError('not-found', `there is no token ${id}`)
        ctx.record(TokenRevoked({ id }))
        return shownToken({ ...row.value, revokedAt: row.value.revokedAt ?? ctx.now })
      }),
      createSignIn.handle((ctx) => {
        const { code, expiresAtMs } = codes.issue(callerOf(ctx))
        return { code, expiresAt: new Date(expiresAtMs).toISOString() }
      }),
    ],
    queries: [
      listTokens.handle((ctx, input) => pageOf(ctx, tokens, input, ({ value }) => shownToken(value))),
    ],
  }
}

const shownToken = ({ verifier: _, ...token }: TokenRow) => token

function shownPrincipal(chain: Chain) {
  const { kind, id, roles } = chain.at(-1) ?? OWNER
  return { kind: kind === 'hub' ? ('service' as const) : kind, id, roles: [...roles] }
}

function requireGood(token: TokenRow, nowMs: number): void {
  if (token.revokedAt !== undefined) throw invalid()
  if (expiryOf(token) <= nowMs) throw expired()
}

/** The token that a session, a code or a run rests on; a caller without one is the embedder's own. */
async function liveToken(
  reads: Pick<Reads, 'get'>,
  id: string | undefined,
  nowMs: number,
): Promise<TokenRow | undefined> {
  if (id === undefined) return undefined
  const row = await reads.get(tokens, id)
  if (!row) throw invalid()
  requireGood(row.value, nowMs)
  return row.value
}

/** A token hands on what its caller may do, never more. */
function refuseWider(scopes: readonly string[] | undefined, own: readonly string[] | undefined): void {
  const wider = scopes?.find((scope) => !isInScope(scope, own))
  if (wider !== undefined)
    throw new PolityError('denied', `the scope ${wider} is not covered by the token that asks for it`, {
      scope: wider,
    })
}

interface MintedToken {
  readonly id: string
  readonly token: string
  readonly verifier: string
}

export function mintToken(env: Env): MintedToken {
  const id = Buffer.from(env.random(8)).toString('hex')
  const secret = Buffer.from(env.random(SECRET_SIZE_BYTES)).toString('base64url')
  return { id, token: textOf(id, secret), verifier: digestOf(secret) }
}

/**
 * Of a secret that the hub never sees. Whoever reads the log knows the digests in it: a second token of the same secret
 * would make its holder somebody else. Throws `token.digest-used`.
 */
async function given(
  reads: Pick<Reads, 'get'>,
  digest: string,
): Promise<Pick<MintedToken, 'id' | 'verifier'>> {
  const id = idOfDigest(digest)
  const known = (await reads.get(verifiers, digest)) ?? (await reads.get(tokens, id))
  if (known)
    throw new PolityError(
      'token.digest-used',
      'there is, or was, a token of this secret, or of one whose digest begins alike: make another',
    )
  return { id, verifier: digest }
}

interface SignInCodes {
  issue(caller: Caller): { readonly code: string; readonly expiresAtMs: number }
  read(code: string): { readonly caller: Caller; readonly usedKey: string; readonly expiresAtMs: number }
}

const CODE_SIZE_MAX_CHARS = 4096

/** A code carries its caller under our own MAC (RFC 2104), so that only its use has to be stored. */
function signInCodes({ env, codeKey }: Pick<IdentityPorts, 'env' | 'codeKey'>): SignInCodes {
  const macOf = (body: string) => createHmac('sha256', codeKey).update(`sign-in\n${body}`).digest('base64url')
  return {
    issue(caller) {
      const expiresAtMs = env.now() + SIGN_IN_VALID_MS
      const nonce = Buffer.from(env.random(16)).toString('base64url')
      const body = Buffer.from(JSON.stringify({ ...caller, expiresAtMs, nonce })).toString('base64url')
      return { code: `${body}.${macOf(body)}`, expiresAtMs }
    },
    read(code) {
      const [body = '', mac = '', ...rest] = code.slice(0, CODE_SIZE_MAX_CHARS).split('.')
      const expected = Buffer.from(macOf(body))
      const given = Buffer.from(mac)
      if (rest.length > 0 || given.length !== expected.length || !timingSafeEqual(given, expected))
        throw invalid()
      const issued = JSON.parse(Buffer.from(body, 'base64url').toString()) as SessionRow
      if (issued.expiresAtMs <= env.now()) throw expired()
      return {
        caller: callerOf(issued),
        usedKey: hash('sha256', body, 'hex'),
        expiresAtMs: issued.expiresAtMs,
      }
    },
  }
}

const equalHex = (a: string, b: string): boolean =>
  a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b))
const invalid = () => new PolityError('auth.invalid', 'this token, session or sign-in code is not valid')
const expired = () => new PolityError('auth.expired', 'this token, session or sign-in code has expired')
