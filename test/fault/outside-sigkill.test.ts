// SIGKILL of the hub between decision and report, and of the program between decision and deed: nothing is doubled or forgotten.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import process from 'node:process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { describe, expect, it, onTestFinished } from 'vitest'
import { type Deed, type Gate, openGate } from '../../sdk/client.ts'
import { clientOf } from '../../src/doors/http/fixtures/client.ts'
import { tempFolder } from '../integration/lab/hubs.ts'

const CHILD = fileURLToPath(new URL('./outside.child.ts', import.meta.url))
const PATIENCE_MS = 50_000
const DEED: Deed = { action: 'payments.refund', resource: { type: 'account', id: '42' } }
const DEEDS = 12

interface Child {
  readonly process: ChildProcess
  /** What it says next. */
  heard(): Promise<Record<string, string>>
  kill(): Promise<void>
}

function start(...args: readonly string[]): Child {
  const child = spawn(process.execPath, [CHILD, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const exited = once(child, 'exit')
  const kill = async () => {
    child.kill('SIGKILL')
    await exited
  }
  onTestFinished(kill)
  return {
    process: child,
    kill,
    async heard() {
      const { value, done } = await lines.next()
      if (done) throw new Error('the process has ended')
      return JSON.parse(value) as Record<string, string>
    },
  }
}

async function startHub(root: string) {
  const child = start('hub', root)
  const { url = '', token = '' } = await child.heard()
  const ask = clientOf(url, token)
  const query = async (name: string, input: object) => {
    const { json } = await ask(`/v1/queries/${name}?${new URLSearchParams({ ...input })}`)
    return json as { readonly items: readonly { readonly run: string; readonly status: string }[] }
  }
  return {
    ...child,
    url,
    token,
    gate: openGate({ url, token, timeoutMs: PATIENCE_MS }),
    ask,
    query,
    /** Published entries of a type that are about deeds of other programs; an answer may come a little before them. */
    async deeds(type: string) {
      const { json } = await ask(`/v1/log/entries?limit=1000&type=${encodeURIComponent(type)}`)
      const { entries } = json as { readonly entries: readonly { readonly data: Record<string, string> }[] }
      return entries.map(({ data }) => data).filter(({ action }) => action === 'outside.act@1')
    },
  }
}

async function until<T>(look: () => Promise<T | undefined>): Promise<T> {
  for (const deadlineMs = Date.now() + PATIENCE_MS; Date.now() < deadlineMs; ) {
    const found = await look()
    if (found !== undefined) return found
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  throw new Error('it did not come to that')
}

const allowed = async (gate: Gate, key: string, deed = DEED): Promise<string> => {
  const decision = await gate.decide(deed, { key })
  if (decision.effect !== 'allow' || decision.id === undefined) throw new Error(decision.effect)
  return decision.id
}

describe('a hub that is killed', { timeout: 240_000 }, () => {
  it('between decision and report stands by its decision, and takes the outcome once', async () => {
    const { root } = tempFolder()
    const before = await startHub(root)
    const id = await allowed(before.gate, 'one')
    await before.kill()
    await expect(before.gate.report(id, { status: 'done' })).rejects.toThrow('did not answer')

    const after = await startHub(root)
    // Whoever has lost the answer finds the same decision.
    expect(await allowed(after.gate, 'one')).toBe(id)
    await after.gate.report(id, { status: 'done', cost: 5 })
    await after.gate.report(id, { status: 'failed' })
    const finished = await until(async () => {
      const found = await after.deeds('action.finished@1')
      return found.length > 0 ? found : undefined
    })
    expect(finished).toMatchObject([{ decision: id, status: 'done' }])
    expect(await after.gate.decide(DEED, { key: 'one' })).toMatchObject({ effect: 'denied', id })
    expect(await after.deeds('action.decided@1')).toHaveLength(1)
  })

  it('while reports come in keeps each that it has taken, and takes the others afterwards', async () => {
    const { root } = tempFolder()
    const before = await startHub(root)
    const ids = await Promise.all(
      Array.from({ length: DEEDS }, (_, at) => allowed(before.gate, `deed-${at}`)),
    )
    const taken = new Set<string>()
    const reports = ids.map(async (id) => {
      await before.gate.report(id, { status: 'done' })
      taken.add(id)
      // The first answer is the end of it; others are anywhere on their way.
      before.process.kill('SIGKILL')
    })
    await Promise.allSettled(reports)
    await before.kill()
    expect(taken.size).toBeGreaterThan(0)

    const after = await startHub(root)
    // Told otherwise now: what was taken before the end stands.
    for (const id of ids) await after.gate.report(id, { status: 'failed' })
    const finished = await until(async () => {
      const found = await after.deeds('action.finished@1')
      return found.length >= DEEDS ? found : undefined
    })
    expect(finished.map(({ decision }) => decision).sort()).toEqual([...ids].sort())
    for (const id of taken)
      expect(finished.find(({ decision }) => decision === id)).toMatchObject({ status: 'done' })
    expect(await after.deeds('action.decided@1')).toHaveLength(DEEDS)
  })

  it('between agreement and deed hands out once what people agreed to', async () => {
    const { root } = tempFolder()
    const before = await startHub(root)
    const made = await before.ask('/v1/actions/token.create', {
      method: 'POST',
      body: { input: { kind: 'service', id: 'robot', roles: ['owner'] } },
    })
    const { token } = (made.json as { output: { token: string } }).output
    const gateOf = (url: string) => openGate({ url, token, timeoutMs: PATIENCE_MS })
    const asked = await gateOf(before.url).decide({ ...DEED, risk: 'critical' })
    if (asked.effect !== 'suspended') throw new Error(asked.effect)
    const input = { approval: asked.id }
    await before.ask('/v1/actions/approvals.approve', { method: 'POST', body: { input } })
    await before.kill()

    const after = await startHub(root)
    const robot = gateOf(after.url)
    const decision = await until(async () => {
      const looked = await robot.look(asked.id)
      return looked.effect === 'suspended' ? undefined : looked
    })
    expect(decision).toMatchObject({ effect: 'allow', id: expect.any(String) })
    expect(await robot.look(asked.id)).toMatchObject({ effect: 'denied' })
    await after.kill()
    const third = await startHub(root)
    expect(await gateOf(third.url).look(asked.id)).toMatchObject({ effect: 'denied' })
  })
})

describe('a program that is killed', { timeout: 240_000 }, () => {
  it('leaves what it was allowed where people see it, and never as done', async () => {
    const { root } = tempFolder()
    const hub = await startHub(root)
    const program = start('program', hub.url, hub.token)
    const { url = '' } = await program.heard()
    const ids: string[] = []
    for (const path of ['/stuck', '/stuck-soon']) {
      // Whose answer never comes.
      fetch(url + path, { method: 'POST' }).catch(() => undefined)
      expect(await program.heard()).toEqual({ handling: path })
      const decided = await until(async () => {
        const found = await hub.deeds('action.decided@1')
        return found.length > ids.length ? found : undefined
      })
      ids.push(String(decided.at(-1)?.decision))
    }
    await program.kill()
    const listed = async (status: string) => {
      const { items } = await hub.query('runs.list', { action: 'outside.act@1', status })
      return items.map(({ run }) => run)
    }
    const unknown = await until(async () => {
      const runs = await listed('unknown')
      return runs.length > 0 ? runs : undefined
    })
    expect(unknown).toEqual([ids[1]])
    // Under way as far as anybody knows.
    expect(await listed('running')).toEqual([ids[0]])
    const finished = await until(async () => {
      const found = await hub.deeds('action.finished@1')
      return found.length > 0 ? found : undefined
    })
    expect(finished).toMatchObject([{ decision: ids[1], status: 'unknown', code: 'run.unknown' }])
  })

  it('goes on after its restart with what people agreed to meanwhile', async () => {
    const { root } = tempFolder()
    const hub = await startHub(root)
    const { json } = await hub.ask('/v1/actions/token.create', {
      method: 'POST',
      body: { input: { kind: 'service', id: 'robot', roles: ['owner'] } },
    })
    const { token } = (json as { output: { token: string } }).output
    const first = start('program', hub.url, token)
    const suspended = await fetch(`${(await first.heard()).url}/careful`, { method: 'POST' })
    const ticket = suspended.headers.get('polity-decision') ?? ''
    const { decision: approval } = (await suspended.json()) as { decision: string }
    await first.kill()
    await hub.ask('/v1/actions/approvals.approve', { method: 'POST', body: { input: { approval } } })

    const { url = '' } = await start('program', hub.url, token).heard()
    const again = () => fetch(`${url}/careful`, { method: 'POST', headers: { 'polity-decision': ticket } })
    const response = await until(async () => {
      const answer = await again()
      return answer.status === 202 ? undefined : answer
    })
    expect([response.status, await response.text()]).toEqual([200, 'handled'])
    expect((await again()).status).toBe(403)
    const finished = await until(async () => {
      const found = await hub.deeds('action.finished@1')
      return found.length > 0 ? found : undefined
    })
    expect(finished).toMatchObject([{ status: 'done' }])
  })
})
