// The handlers of a module whose actions say what they do, and rules under which only budgets and sequences stop anybody.

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Caller } from '../../../src/kernel/catalog/caller.ts'
import type { CommandContext } from '../../../src/kernel/catalog/context.ts'
import { defineModule, type Module } from '../../../src/kernel/catalog/module.ts'
import { PolityError } from '../../../src/kernel/errors.ts'
import { STARTER_DIR } from '../../../src/kernel/gate/bundle.ts'
import { readBundleFiles } from '../../../src/kernel/gate/bundle-files.ts'
import * as contract from './deeds.contract.ts'
import { copy, leak, readMore, readPublic, readSecret, rotate, send, spend } from './deeds.contract.ts'
import { tempFolder } from './hubs.ts'

export const deeds = (onCopy: (ctx: CommandContext) => unknown = () => undefined): Module =>
  defineModule(
    'deeds',
    { url: new URL('./deeds.contract.ts', import.meta.url).href, exports: contract },
    {
      commands: [
        ...[send, rotate, spend].map((each) => each.handle(() => ({}))),
        copy.handle(async (ctx, { isFailing = false }) => {
          await onCopy(ctx)
          if (isFailing) throw new PolityError('timeout', 'as it was told')
          return {}
        }),
        leak.handle(async (ctx) => {
          await ctx.step('read', () => ctx.ask(readSecret, {}))
          await ctx.step('send', () => ctx.invoke(send, {}))
          return {}
        }),
      ],
      queries: [readSecret, readPublic, readMore].map((each) => each.handle(() => ({}))),
    },
  )

const RULES = `
@id("everything") permit (principal, action, resource);
@id("budget-exceeded") forbid (principal, action, resource) unless { context.exceeded.isEmpty() };
@id("secret-then-outside") forbid (principal, action, resource)
when { context.trace.contains("read:secret") && context.conduct has isExternal && context.conduct.isExternal };
`

/** A folder of rules that permit everything but what exceeds a budget, or sends after a secret. */
export async function deedRules(text: string = RULES): Promise<string> {
  const folder = join(tempFolder().root, 'rules')
  mkdirSync(folder, { recursive: true })
  for (const { name, text: schema } of await readBundleFiles(STARTER_DIR))
    if (name.endsWith('.cedarschema')) writeFileSync(join(folder, name), schema)
  writeFileSync(join(folder, 'rules.cedar'), text)
  return folder
}

export const agent = (id: string): Caller => ({ chain: [{ kind: 'agent', id, roles: [] }] })
export const user = (id: string): Caller => ({ chain: [{ kind: 'user', id, roles: [] }] })
