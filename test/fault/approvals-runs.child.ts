// A process that owns a hub whose runs never stop waiting for people, some of whom answer: the victim of a fault test.

import { join } from 'node:path'
import process from 'node:process'
import { openHub } from '../../src/hub.ts'
import { OWNER } from '../../src/kernel/identity/identity.ts'
import { ann, vote } from '../integration/lab/approvals.ts'
import { begin } from '../integration/lab/flow.ts'
import { askingModules } from './approvals-runs.fixture.ts'
import { say } from './say.ts'

const [root = '', policyDir = '', first = '0'] = process.argv.slice(2)
const owner = { chain: [OWNER] }

/** Lines on stdout: `open`, `begun RUN`, `asked APPROVAL`, `agreed APPROVAL`. */

const hub = await openHub({
  dir: join(root, 'data'),
  anchorPath: join(root, 'anchor'),
  policyDir,
  modules: askingModules(),
})
say('open')

/** The approval for which the run waits. */
async function askedBy(run: string): Promise<string> {
  for (;;) {
    const { waitsFor } = (await hub.ask(owner, 'runs.get', { run })).output as {
      readonly waitsFor?: readonly { readonly approval: string }[]
    }
    if (waitsFor?.[0] !== undefined) return waitsFor[0].approval
  }
}

for (let turn = 0; ; turn++) {
  const run = await begin(hub, ann, 'flow.play', { mark: `${Number(first) + turn}` })
  say(`begun ${run}`)
  // Some still begin when the process dies, and some still wait.
  if (turn % 4 === 1) continue
  const approval = await askedBy(run)
  say(`asked ${approval}`)
  if (turn % 4 === 2) continue
  await vote(hub, owner, approval)
  say(`agreed ${approval}`)
}
