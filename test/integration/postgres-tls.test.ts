// A database server behind TLS and a password: whom a hub believes, and what it says when it does not.

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { asPolityError, type PolityError } from '../../src/kernel/errors.ts'
import { openPostgres } from '../../src/kernel/store/postgres/postgres.ts'
import { type Cluster, describeOnCluster, openCluster } from '../fault/postgres-cluster.ts'

const PASSWORD = 'correct horse/battery:staple@#%'
const REALM = 'main'

function hasOpenssl(): boolean {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

if (hasOpenssl()) describeOnCluster('a server with a certificate of its own', define)
else {
  console.warn('SKIPPED: a server with a certificate of its own: this machine has no openssl to make one.')
  describe('a server with a certificate of its own', () => it.skip('needs openssl', () => undefined))
}

/** Self-signed, for `localhost` and for no address. */
function certify(folder: string): { readonly key: string; readonly certificate: string } {
  const [key, certificate] = [join(folder, 'own.key'), join(folder, 'own.crt')]
  execFileSync(
    'openssl',
    [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'],
      ...['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-days', '2'],
      ...['-keyout', key, '-out', certificate],
    ],
    { stdio: 'pipe' },
  )
  return { key: readFileSync(key, 'utf8'), certificate: readFileSync(certificate, 'utf8') }
}

function define(): void {
  let folder: string
  let cluster: Cluster
  let rootPath: string
  let otherRootPath: string
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'polity-tls-'))
    const tls = certify(folder)
    rootPath = join(folder, 'root.crt')
    writeFileSync(rootPath, tls.certificate)
    otherRootPath = join(folder, 'other.crt')
    writeFileSync(otherRootPath, certify(folder).certificate)
    cluster = await openCluster({ password: PASSWORD, tls })
  })
  afterAll(async () => {
    await cluster?.remove()
    rmSync(folder, { recursive: true, force: true })
  })

  /** How the connection of a realm is encrypted, as the server sees it. */
  const encryptionOf = async (url: string): Promise<boolean | undefined> => {
    const realm = await openPostgres(url, REALM)
    try {
      expect(await realm.store('read').size()).toBe(0)
      const [found] = await cluster.query<{ ssl: boolean }>(
        `SELECT bool_and(ssl) AS ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
           WHERE application_name = 'polity_main'`,
      )
      return found?.ssl
    } finally {
      await realm.close()
    }
  }
  const refusal = async (url: string): Promise<PolityError> => {
    try {
      await (await openPostgres(url, REALM)).close()
    } catch (error) {
      return asPolityError(error)
    }
    throw new Error('it was let in')
  }
  const verifying = (root: string) =>
    `sslmode=verify-full${root === '' ? '' : `&sslrootcert=${encodeURIComponent(root)}`}`

  it('is believed under its name, with its certificate at hand', async () => {
    const url = cluster.url({ host: 'localhost', parameters: verifying(rootPath) })
    expect(await encryptionOf(url)).toBe(true)
  })

  it('is spoken to in secret, and not asked who it is, with sslmode=require', async () => {
    expect(await encryptionOf(cluster.url({ parameters: 'sslmode=require' }))).toBe(true)
  })

  it.each([
    ['without a root certificate', 'localhost', 'none'],
    ['with the certificate of another', 'localhost', 'other'],
    ['under another name than its certificate has', '127.0.0.1', 'own'],
  ] as const)('is refused %s, with what to do about it', async (_, host, root) => {
    const path = { none: '', other: otherRootPath, own: rootPath }[root]
    const error = await refusal(cluster.url({ host, parameters: verifying(path) }))
    expect(error).toMatchObject({ code: 'store.unreachable' })
    expect(error.message).toMatch(/certificate.*sslrootcert/)
  })

  it('lets nobody in unencrypted', async () => {
    const error = await refusal(cluster.url({ parameters: 'sslmode=disable' }))
    expect(error).toMatchObject({ code: 'store.unreachable' })
    expect(error.message).toMatch(/encryption.*sslmode/)
  })

  it.each([
    ['a wrong password', { password: 'wrong horse', parameters: 'sslmode=require' }],
    ['a database that is not there', { database: 'nowhere', parameters: 'sslmode=require' }],
    ['no encryption', { parameters: 'sslmode=disable' }],
    ['an unknown certificate', { host: 'localhost', parameters: 'sslmode=verify-full' }],
  ] as const)('never shows a password when it refuses %s', async (_, access) => {
    const error = await refusal(cluster.url(access))
    expect(error).toMatchObject({ code: 'store.unreachable' })
    // With the cause and all of its properties.
    const shown = inspect([error, error.stack, error.facts], { depth: 10, showHidden: true })
    for (const secret of ['wrong horse', PASSWORD])
      for (const spelled of [secret, encodeURIComponent(secret)]) expect(shown).not.toContain(spelled)
  })

  it('says so when it wants a password and gets none', async () => {
    const error = await refusal(cluster.url({ password: '', parameters: 'sslmode=require' }))
    expect(error).toMatchObject({ code: 'store.unreachable' })
    expect(error.message).toContain('password')
  })
}
