// The YAML of workflow files by example, and its refusals.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { member, parseYaml, scalarOf, YamlError, type YamlNode } from './yaml.ts'

function plain(node: YamlNode): unknown {
  if (node.kind === 'scalar') return node.value
  if (node.kind === 'list') return node.items.map(plain)
  return Object.fromEntries(node.entries.map(({ key, value }) => [key, plain(value)]))
}

describe('parseYaml', () => {
  it('reads maps, lists, texts, blocks, flow, comments, anchors', () => {
    const text = `# head
%YAML 1.2
---
name: "CI: \\"all\\"" # comment
on: [push, pull_request_target]   # list
'quoted key': 'it''s'
env: &env
  A: 1
  URL: http://x/y#z
jobs:
  build:
    env: *env
    steps:
    - uses: actions/checkout@v4
      with: {ref: main, depth: "0"}
    -   run: |
          echo "a: b"   # kept

          echo done
    - run: >-
        folded
        text
    - name: plain
        goes on
    -
      - nested
      - - deeper
empty:
last: {a: [1, {b: c}],
  d: }
...
ignored: yes
`
    expect(plain(parseYaml(text))).toEqual({
      name: 'CI: "all"',
      on: ['push', 'pull_request_target'],
      'quoted key': "it's",
      env: { A: '1', URL: 'http://x/y#z' },
      jobs: {
        build: {
          env: { A: '1', URL: 'http://x/y#z' },
          steps: [
            { uses: 'actions/checkout@v4', with: { ref: 'main', depth: '0' } },
            { run: 'echo "a: b"   # kept\n\necho done' },
            { run: 'folded text' },
            { name: 'plain goes on' },
            ['nested', ['deeper']],
          ],
        },
      },
      empty: '',
      last: { a: ['1', { b: 'c' }], d: '' },
    })
  })

  it('knows the line of what it read', () => {
    const root = parseYaml('a: 1\n\n# x\nb:\n  - run: |\n      one\n    uses: c\n')
    const item = member(root, 'b')
    const step = item?.kind === 'list' ? item.items[0] : undefined
    expect(member(step, 'run')).toMatchObject({ value: 'one', line: 6 })
    expect(member(step, 'uses')).toMatchObject({ value: 'c', line: 7 })
    expect(scalarOf(member(root, 'absent'))).toBeUndefined()
  })

  it.each([
    'a: 1\na: 2\n',
    '\tb: 1\n',
    'a: [1\n',
    'a: "x\n',
    'a: *nobody\n',
    '? a\n: b\n',
    'a: 1\n  b: 2\n c: 3\n',
    `${'- '.repeat(100)}a\n`,
    `a: ${'['.repeat(100)}\n`,
  ])('refuses %j', (text) => {
    expect(() => parseYaml(text)).toThrow(YamlError)
  })

  it('answers or refuses, whatever the text', () => {
    const piece = fc.constantFrom(
      'a',
      ':',
      ' ',
      '\n',
      '- ',
      '[',
      ']',
      '{',
      '}',
      '"',
      "'",
      '|',
      '>',
      '#',
      '&x',
      '*x',
      ',',
      '  ',
      'b: ',
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
        try {
          parseYaml(pieces.join(''))
        } catch (error) {
          expect(error).toBeInstanceOf(YamlError)
        }
      }),
      { numRuns: 2_000 },
    )
  })
})
