// Checks and the gateway over TLS: a certificate that nobody vouches for is no way in.

import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { describe, expect, it, onTestFinished } from 'vitest'
import { systemEnv } from '../../src/kernel/env.ts'
import { openAddressRule } from '../../src/modules/components/addresses.ts'
import { openProbe } from '../../src/modules/components/checks/probe.ts'
import { openGatewayHub } from './gateway-backend.ts'

const hasOpenssl = (() => {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' })
    return true
  } catch {
    console.warn('SKIPPED: components over TLS: this machine has no openssl to make a certificate.')
    return false
  }
})()

const HOSTS = ['localhost', '127.0.0.1']

async function tlsBackend(host: string): Promise<{ readonly url: string; readonly cert: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'polity-tls-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
  execFileSync(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-keyout',
      key,
      '-out',
      cert,
    ].concat([
      '-days',
      '5',
      '-subj',
      '/CN=localhost',
      '-addext',
      'subjectAltName=DNS:localhost,IP:127.0.0.1',
    ]),
    { stdio: 'ignore' },
  )
  const server = createServer({ key: readFileSync(key), cert: readFileSync(cert) }, (_, response) =>
    response.end('secret'),
  )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const url = `https://${host}:${(server.address() as AddressInfo).port}/`
  return { url, cert: readFileSync(cert, 'utf8') }
}

describe.runIf(hasOpenssl)('a component with a certificate of its own', () => {
  it.each(HOSTS)('fails its check and is not spoken to, at %s', async (host) => {
    const { url } = await tlsBackend(host)
    const env = systemEnv()
    const probe = openProbe(env, openAddressRule(env))
    const outcome = await probe({ name: 'x', kind: 'http', url }, new AbortController().signal)
    expect(outcome).toMatchObject({ verdict: 'fail' })
    expect(outcome.note).toContain('certificate')
    await using served = await openGatewayHub()
    await served.register('own', url)
    const answer = await served.owner('/svc/own/')
    expect([answer.status, answer.text.includes('secret')]).toEqual([502, false])
  })

  it.each(HOSTS)(
    'is trusted once its certificate is, and warned about before that ends, at %s',
    async (host) => {
      const { url, cert } = await tlsBackend(host)
      const trusted = getCACertificates('default')
      setDefaultCACertificates([...trusted, cert])
      onTestFinished(() => setDefaultCACertificates(trusted))
      const env = systemEnv()
      const probe = openProbe(env, openAddressRule(env))
      const check = { name: 'x', kind: 'http', url, contains: 'secret' } as const
      const { signal } = new AbortController()
      expect(await probe(check, signal)).toEqual({ verdict: 'pass', note: 'answers 200' })
      expect(await probe({ ...check, certificateDaysMin: 30 }, signal)).toEqual({
        verdict: 'warn',
        note: 'its certificate ends in 4 days',
      })
      await using served = await openGatewayHub()
      await served.register('own', url)
      expect((await served.owner('/svc/own/')).text).toBe('secret')
    },
  )
})
