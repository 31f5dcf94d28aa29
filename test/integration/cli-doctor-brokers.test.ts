// `polity doctor` and the brokers of a hub: each is asked, and what can be lost there is said with what to do about it.

import { afterEach, beforeEach, expect, it, onTestFinished } from 'vitest'
import { asNatsAdmin } from '../conformance/broker/broker-servers.ts'
import {
  type BrokerProcess,
  type BrokerSetup,
  describeWithBroker,
  openBrokerProcess,
  type Product,
} from '../fault/broker-process.ts'
import { openSandbox, type Sandbox } from './cli-process.ts'

interface Check {
  readonly name: string
  readonly status: string
  readonly message: string
  readonly todo?: string
}

let sandbox: Sandbox
beforeEach(() => {
  sandbox = openSandbox()
})
afterEach(() => sandbox.remove())

async function start(product: Product, setup: BrokerSetup = {}): Promise<BrokerProcess> {
  const server = await openBrokerProcess(product, setup)
  onTestFinished(() => server.remove())
  await server.start()
  return server
}

/** What a doctor says of brokers that are configured so. */
async function checked(connections: string, args: readonly string[] = []) {
  const env = { POLITY_BROKERS_CONNECTIONS: connections }
  const { exitCode, stdout } = await sandbox.polity(['doctor', '--json', ...args], { env })
  const { checks } = JSON.parse(stdout) as { readonly checks: readonly Check[] }
  const named = (of: string) => checks.filter(({ name }) => name === of)
  return { exitCode, brokers: named('broker'), settings: named('settings') }
}

describeWithBroker('redis', 'a doctor who asks Redis', () => {
  it('finds nothing to say of one that loses nothing', async () => {
    const server = await start('redis')
    expect(await checked(`main=${server.url}`)).toMatchObject({
      exitCode: 0,
      brokers: [
        {
          name: 'broker',
          status: 'ok',
          message: expect.stringMatching(/^main is redis [\d.]+, and nothing it shows can lose messages$/),
        },
      ],
    })
  })

  it('says what a careless one loses, in one finding for each server', async () => {
    const good = await start('redis')
    const bad = await start('redis', {
      args: ['--appendfsync', 'everysec', '--maxmemory-policy', 'allkeys-lru'],
    })
    const { exitCode, brokers } = await checked(`bad=${bad.url},good=${good.url}`)
    expect(exitCode).toBe(0)
    expect(brokers.map(({ status }) => status)).toEqual(['warn', 'ok'])
    expect(brokers[0]?.message).toMatch(/^bad is redis/)
    expect(brokers[0]?.message).toContain('appendfsync is everysec: a power cut loses up to two seconds')
    expect(brokers[0]?.message).toContain('maxmemory-policy is allkeys-lru')
    expect(brokers[0]?.message).not.toContain('appendonly')
    expect(brokers[0]?.todo).toBe('set appendfsync always; set maxmemory-policy noeviction')
    const { stdout } = await sandbox.polity(['doctor'], {
      env: { POLITY_BROKERS_CONNECTIONS: `bad=${bad.url}` },
    })
    expect(stdout).toMatch(/^warn {2}broker {8}bad is redis .*(?:\n {20}\S.*)*\n {22}set appendfsync always/m)
  })

  it('fails for one that cannot be used, and shows no secret', async () => {
    const server = await start('redis', { args: ['--requirepass', 'right'] })
    const dead = await start('redis')
    await dead.kill()
    const env = {
      POLITY_BROKERS_CONNECTIONS: `a=${server.url}?password=env:WRONG,b=${dead.url}`,
      WRONG: 'hush',
    }
    const { exitCode, stdout } = await sandbox.polity(['doctor', '--json'], { env })
    expect(exitCode).toBe(1)
    expect(stdout).not.toContain('hush')
    const { checks } = JSON.parse(stdout) as { readonly checks: readonly Check[] }
    expect(checks.filter(({ name }) => name === 'broker')).toMatchObject([
      {
        status: 'fail',
        message: expect.stringMatching(/^a: the broker redis does not let this hub in \(WRONGPASS/),
        todo: expect.stringContaining('a='),
      },
      { status: 'fail', message: expect.stringContaining('b: the broker redis does not answer') },
    ])
  })
})

describeWithBroker('nats', 'a doctor who asks NATS', () => {
  it('says what a server does not show, and that one without JetStream keeps nothing', async () => {
    const server = await start('nats')
    const { brokers } = await checked(`main=${server.url}`)
    expect(brokers).toHaveLength(1)
    expect(brokers[0]?.todo).toContain('set sync_interval: always')
    const plain = await start('nats', { args: ['-js=false'] })
    expect((await checked(`main=${plain.url}`)).brokers).toMatchObject([
      {
        status: 'warn',
        message: expect.stringContaining('jetstream is off: the server keeps nothing'),
        todo: expect.stringContaining('turn JetStream on'),
      },
    ])
  })

  it('looks at the streams of the sinks of a hub that runs', async () => {
    const server = await start('nats')
    await asNatsAdmin(server.port, ({ streams }) =>
      streams.add({
        name: 'ORDERS',
        subjects: ['orders.>'],
        storage: 'memory' as never,
        max_age: 3_600_000_000_000,
      }),
    )
    const hub = await sandbox.up([], { env: { POLITY_BROKERS_CONNECTIONS: `main=${server.url}` } })
    const at = ['--data', hub.dataDir]
    const put = await sandbox.polity([
      'brokers',
      'sink-put',
      'out',
      'main',
      'orders.{type}',
      'order.*',
      ...at,
    ])
    expect(put.exitCode).toBe(0)
    // Its own line names no broker: the hub is asked.
    const { brokers } = await checked('', at)
    expect(brokers).toHaveLength(1)
    expect(brokers[0]?.status).toBe('warn')
    expect(brokers[0]?.message).toContain(
      'ORDERS: storage is memory: a restart of the server loses everything',
    )
    expect(brokers[0]?.message).toContain('ORDERS: max_age is 3600000 ms')
    expect(brokers[0]?.todo).toContain('use file storage')
  })
})

it('says nothing of brokers where none is configured, and fails where a line is none', async () => {
  expect((await checked('')).brokers).toEqual([])
  // It is a mistake of the configuration, which is said once.
  expect(await checked('main=ftp://x')).toMatchObject({
    exitCode: 1,
    brokers: [],
    settings: [{ status: 'fail', message: expect.stringContaining('POLITY_BROKERS_CONNECTIONS') }],
  })
})
