import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openHub } from '../../hub.ts'
import { serve } from './fixtures/served.ts'
import { openHttpDoor } from './server.ts'

const FILES = {
  'index.html': '<!doctype html><script type="module" src="/page.ts"></script>',
  'page.css': 'body { color: red }',
  'page.ts':
    "import type { A } from './a.ts'\nimport { b } from './b.js'\nexport const a: number = b as number\n",
  'b.js': 'export const b = 1\n',
  'icon.svg': '<svg xmlns="http://www.w3.org/2000/svg"/>',
  'page.test.ts': 'throw 1',
  'shapes.d.ts': 'export {}',
  'tsconfig.json': '{}',
  'notes.md': 'private notes',
  '.env.js': 'private',
}

describe('the page', () => {
  let folder = ''
  beforeAll(() => {
    folder = join(mkdtempSync(join(tmpdir(), 'polity-web-')), 'web')
    mkdirSync(join(folder, 'sub'), { recursive: true })
    for (const [name, text] of Object.entries(FILES)) writeFileSync(join(folder, name), text)
    writeFileSync(join(folder, 'sub', 'deep.css'), 'private')
    writeFileSync(join(folder, '..', 'outside.css'), 'private')
    symlinkSync(join(folder, '..', 'outside.css'), join(folder, 'link.css'))
  })
  afterAll(() => rmSync(join(folder, '..'), { recursive: true }))

  it('is at / and its files beside it, each with its type', async () => {
    await using served = await serve(await openHub({ modules: [] }), { webDir: folder })
    for (const [path, type, body] of [
      ['/', 'text/html; charset=utf-8', FILES['index.html']],
      ['/index.html', 'text/html; charset=utf-8', FILES['index.html']],
      ['/page.css', 'text/css; charset=utf-8', FILES['page.css']],
      ['/b.js', 'text/javascript; charset=utf-8', FILES['b.js']],
      ['/icon.svg', 'image/svg+xml', FILES['icon.svg']],
    ]) {
      const { status, headers, text } = await served.anyone(path ?? '')
      expect([path, status, headers['content-type'], text]).toEqual([path, 200, type, body])
      expect(headers['cache-control']).toBe('no-cache')
    }
  })

  it('has its TypeScript served as JavaScript, under both names', async () => {
    await using served = await serve(await openHub({ modules: [] }), { webDir: folder })
    for (const path of ['/page.ts', '/page.js']) {
      const { headers, text } = await served.anyone(path)
      expect(headers['content-type']).toBe('text/javascript; charset=utf-8')
      expect(text.replaceAll(/\s+/g, ' ').trim()).toBe("import { b } from './b.js' export const a = b")
    }
  })

  it('has the words that it shares with the terminal beside it, and nothing else of the house', async () => {
    await using served = await serve(await openHub({ modules: [] }), { webDir: folder })
    for (const path of ['/src/doors/telling/telling.ts', '/src/doors/telling/telling.js']) {
      const { headers, text } = await served.anyone(path)
      expect(headers['content-type']).toBe('text/javascript; charset=utf-8')
      expect(text.replaceAll(/\s+/g, ' ')).toContain('export function tellingIn(text )')
    }
    for (const path of ['telling/../http/static.ts', 'http/static.ts', 'telling', 'telling/', 'telling/.'])
      expect((await served.anyone(`/src/doors/${path}`)).status).toBeGreaterThanOrEqual(400)
  })

  it('finds everything that the shipped page imports', async () => {
    const webDir = join(import.meta.dirname, '../../../web')
    await using served = await serve(await openHub({ modules: [] }), { webDir })
    const seen = new Set(['/live.ts'])
    for (const path of seen) {
      const { status, text } = await served.anyone(path)
      expect([path, status]).toEqual([path, 200])
      for (const [, other = ''] of text.matchAll(/^(?:im|ex)port\b(?:[^'"]*\bfrom)? ['"]([^'"]+)['"]/gm))
        seen.add(new URL(other, `http://page${path}`).pathname)
    }
    expect([...seen]).toContain('/src/doors/telling/told.ts')
  })

  it('is sent again only when it has changed', async () => {
    await using served = await serve(await openHub({ modules: [] }), { webDir: folder })
    const { headers } = await served.anyone('/page.css')
    const again = await served.anyone('/page.css', {
      headers: { 'if-none-match': `"other", W/${headers.etag}` },
    })
    expect([again.status, again.text]).toEqual([304, ''])
  })

  it.each([
    '/page.test.ts',
    '/shapes.d.ts',
    '/tsconfig.json',
    '/notes.md',
    '/.env.js',
    '/link.css',
    '/outside.css',
    '/sub/deep.css',
    '/../outside.css',
    '/sub/../../outside.css',
    '/..%2foutside.css',
    '/%2e%2e/outside.css',
    '/%2e%2e%2foutside.css',
    '/..\\outside.css',
    '//outside.css',
    '/page.css/',
    '/page.css%00',
    '/PAGE.CSS',
    '/etc/passwd',
  ])('does not have %s', async (path) => {
    await using served = await serve(await openHub({ modules: [] }), { webDir: folder })
    const { status, text } = await served.anyone(path)
    expect(status).toBeGreaterThanOrEqual(400)
    expect(text).not.toContain('private')
  })

  it('has no icon unless there is one, and says so without an error', async () => {
    await using served = await serve(await openHub({ modules: [] }), { webDir: folder })
    expect((await served.anyone('/favicon.ico')).status).toBe(204)
  })

  it('must be there when the door opens', async () => {
    const hub = await openHub({ modules: [] })
    const opening = openHttpDoor(hub, { host: '127.0.0.1', port: 0, webDir: join(folder, 'nowhere') })
    await expect(opening).rejects.toMatchObject({ code: 'usage' })
    await hub.close()
  })
})
