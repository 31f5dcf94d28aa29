// A certificate of a test's own, signed by itself: its own authority.

import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it, onTestFinished } from 'vitest'

/** Paths of PEM files, gone when the test has finished. */
export interface Certificate {
  readonly key: string
  readonly certificate: string
}

/** @param names as OpenSSL takes them: `DNS:localhost`, `IP:127.0.0.1` */
export function certify(names: string): Certificate {
  const folder = mkdtempSync(join(tmpdir(), 'polity-certificate-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')]
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', key]
  const subject = ['-subj', '/CN=broker', '-addext', `subjectAltName=${names}`, '-days', '2']
  execFileSync('openssl', ['req', '-x509', ...newKey, ...subject, '-out', certificate], { stdio: 'ignore' })
  return { key, certificate }
}

/** Defines the tests where a certificate can be made; says loudly where none can. */
export function describeWithOpenssl(name: string, define: () => void): void {
  if (spawnSync('openssl', ['version'], { stdio: 'ignore' }).status === 0) {
    define()
    return
  }
  console.warn(`SKIPPED: ${name}: this machine has no openssl to make a certificate.`)
  describe(name, () => it.skip('needs openssl', () => undefined))
}
