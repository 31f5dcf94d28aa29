// Shared state: the smallest complete module, and the example for all others.

import { PAGE_SIZE } from '../../kernel/catalog/definition.ts'
import { defineModule } from '../../kernel/catalog/module.ts'
import { PolityError } from '../../kernel/errors.ts'
import * as contract from './contract.ts'
import { DocumentWritten, documents, get, list, put, rowKey } from './contract.ts'

export const state = defineModule(
  'state',
  { url: new URL('./contract.ts', import.meta.url).href, exports: contract },
  {
    commands: [
      put.handle(async (ctx, { namespace, key, value, ifVersion }) => {
        const version = (await ctx.get(documents, rowKey({ namespace, key })))?.version ?? 0
        if (ifVersion !== undefined && ifVersion !== version)
          throw new PolityError(
            'state.stale',
            `${namespace}/${key} has version ${version}, not ${ifVersion}: read it again`,
            { version },
          )
        ctx.record(DocumentWritten({ namespace, key, value }, { subject: `state/${namespace}/${key}` }))
        return { namespace, key, version: version + 1, value }
      }),
    ],
    queries: [
      get.handle(async (ctx, { namespace, key }) => {
        const row = await ctx.get(documents, rowKey({ namespace, key }))
        if (!row) throw new PolityError('not-found', `there is no document ${namespace}/${key}`)
        return { namespace, key, version: row.version, value: row.value.value }
      }),
      list.handle(async (ctx, { namespace, after, limit = PAGE_SIZE }) => {
        const prefix = rowKey({ namespace, key: '' })
        const rows = await ctx.list(documents, {
          prefix,
          limit,
          ...(after === undefined ? {} : { after: prefix + after }),
        })
        const items = rows.map(({ key, version, value }) => ({
          namespace,
          key: key.slice(prefix.length),
          version,
          value: value.value,
        }))
        const last = rows.length === limit ? items.at(-1)?.key : undefined
        return { items, ...(last === undefined ? {} : { after: last }) }
      }),
    ],
  },
)
