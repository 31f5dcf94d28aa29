// A NATS operator of a test's own: its account, users with their `.creds`, and the configuration of a server that trusts it.

import { Buffer } from 'node:buffer'
import { randomUUID } from 'node:crypto'
import { nkeys } from '@nats-io/transport-node'

type KeyPair = ReturnType<typeof nkeys.createUser>

export interface NatsOperator {
  /** Of nats-server: operator mode, accounts preloaded, JetStream for the one that users belong to. */
  readonly configuration: string
  /** A new user of the account. */
  user(options?: UserOptions): NatsUser
}

export interface UserOptions {
  /** Seconds from now on; negative: it has ended. */
  readonly endsInSeconds?: number
  /** Subjects it may publish to; default: all. */
  readonly mayPublish?: readonly string[]
}

export interface NatsUser {
  readonly jwt: string
  readonly seed: string
  /** The text of a `.creds` file. */
  readonly credentials: string
}

const UNLIMITED = { subs: -1, data: -1, payload: -1 }
const ACCOUNT_LIMITS = { ...UNLIMITED, imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1 }
const STREAMS = { mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 }

export function natsOperator(): NatsOperator {
  const operator = nkeys.createOperator()
  const system = nkeys.createAccount()
  const account = nkeys.createAccount()
  const accountJwt = (of: KeyPair, limits: object) =>
    signed(operator, of, { type: 'account', limits, default_permissions: { pub: {}, sub: {} } })
  const operatorJwt = signed(operator, operator, {
    type: 'operator',
    system_account: system.getPublicKey(),
  })
  return {
    configuration: `
operator: ${operatorJwt}
system_account: ${system.getPublicKey()}
resolver: MEMORY
resolver_preload: {
  ${system.getPublicKey()}: ${accountJwt(system, ACCOUNT_LIMITS)}
  ${account.getPublicKey()}: ${accountJwt(account, { ...ACCOUNT_LIMITS, ...STREAMS })}
}
`,
    user({ endsInSeconds, mayPublish } = {}) {
      const user = nkeys.createUser()
      const pub = mayPublish === undefined ? {} : { allow: mayPublish }
      const jwt = signed(account, user, { type: 'user', ...UNLIMITED, pub, sub: {} }, endsInSeconds)
      const seed = Buffer.from(user.getSeed()).toString()
      return { jwt, seed, credentials: credentialsOf(jwt, seed) }
    },
  }
}

export const credentialsOf = (jwt: string, seed: string): string => `-----BEGIN NATS USER JWT-----
${jwt}
------END NATS USER JWT------

-----BEGIN USER NKEY SEED-----
${seed}
------END USER NKEY SEED------
`

/** A JWT of NATS, version 2: EdDSA by an nkey over header and claims. */
function signed(issuer: KeyPair, subject: KeyPair, nats: object, endsInSeconds?: number): string {
  const now = Math.floor(Date.now() / 1000)
  const claims = {
    jti: randomUUID(),
    iat: now - 3600,
    iss: issuer.getPublicKey(),
    name: 'test',
    sub: subject.getPublicKey(),
    ...(endsInSeconds === undefined ? {} : { exp: now + endsInSeconds }),
    nats: { ...nats, version: 2 },
  }
  const text = [{ typ: 'JWT', alg: 'ed25519-nkey' }, claims].map(encoded).join('.')
  return `${text}.${Buffer.from(issuer.sign(Buffer.from(text))).toString('base64url')}`
}

const encoded = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
