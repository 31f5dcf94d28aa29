// Pages of a view: all of it page by page, nothing twice, and no promise of a page that cannot be.

import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { ListOptions, ViewRow } from '../log/views.ts'
import { Closed, Type, validate } from '../schema/schema.ts'
import type { Reads } from './context.ts'
import { PAGE_SIZE, paging } from './definition.ts'
import { pageOf } from './page-of.ts'

const view = { name: 'things', version: 1 }

/** A view of so many rows, with what was asked of it. */
function library(size: number) {
  const keys = Array.from({ length: size }, (_, n) => `k${String(n).padStart(4, '0')}`)
  const asked: ListOptions[] = []
  const list = async (_: unknown, options: ListOptions) => {
    asked.push(options)
    return keys
      .filter((key) => key > (options.after ?? ''))
      .slice(0, options.limit)
      .map((key) => ({ key, version: 1, value: key }))
  }
  return { keys, asked, reads: { list } as unknown as Pick<Reads, 'list'> }
}
const keyOf = async ({ key }: ViewRow<unknown>) => key

it('gives everything once and in order, whatever the size of a page', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 0, max: 60 }),
      fc.integer({ min: 1, max: 20 }),
      async (size, limit) => {
        const { keys, reads } = library(size)
        const seen: string[] = []
        let after: string | undefined
        do {
          const page = await pageOf(reads, view, { limit, after }, keyOf)
          expect(page.items.length).toBeLessThanOrEqual(limit)
          seen.push(...page.items)
          after = page.after
        } while (after !== undefined)
        expect(seen).toEqual(keys)
      },
    ),
  )
})

it('says nothing of a next page where this one is not full', async () => {
  expect(await pageOf(library(2).reads, view, { limit: 3 }, keyOf)).toEqual({ items: ['k0000', 'k0001'] })
})

it('asks for the part of the view, and for no more than was said', async () => {
  const { asked, reads } = library(0)
  await pageOf(reads, view, { after: undefined, limit: undefined }, keyOf)
  await pageOf(reads, view, { prefix: 'k', isReverse: true, after: 'k1', limit: 7 }, keyOf)
  expect(asked).toEqual([{ limit: PAGE_SIZE }, { prefix: 'k', isReverse: true, after: 'k1', limit: 7 }])
})

it('takes the limits that it says, and no others', () => {
  const Input = Closed(paging(Type.String(), { size: 5, sizeMax: 9 }))
  const takes = (limit: unknown) => {
    try {
      validate(Input, { limit }, 'the input')
      return true
    } catch {
      return false
    }
  }
  expect([0, 1, 9, 10, 1.5, '3'].map(takes)).toEqual([false, true, true, false, false, false])
  expect(JSON.stringify(Input)).toContain('how many at most; default 5')
})
