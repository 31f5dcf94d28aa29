// Cognitive complexity by example: the published cases, and what fools a reader without a parser.

import { describe, expect, it } from 'vitest'
import { functionsOf } from './complexity.ts'
import { languageOf } from './languages.ts'
import { lex } from './lexer.ts'

function scores(path: string, source: string): Record<string, number> {
  const language = languageOf(path)
  if (!language?.syntax || !language.grammar) throw new Error(`${path} is not measured`)
  const functions = functionsOf(language.grammar, lex(source, language.syntax, true).tokens) ?? []
  return Object.fromEntries(functions.map(({ name, score }) => [name, score]))
}

describe('functions of TypeScript and JavaScript', () => {
  it('counts the two examples of the paper as published', () => {
    const java = `
      int sumOfPrimes(int max) {
        int total = 0;
        OUT: for (int i = 1; i <= max; ++i) {
          for (int j = 2; j < i; ++j) {
            if (i % j == 0) {
              continue OUT;
            }
          }
          total += i;
        }
        return total;
      }
      String getWords(int number) {
        switch (number) {
          case 1: return "one";
          case 2: return "a couple";
          default: return "lots";
        }
      }`
    expect(scores('Primes.java', java)).toEqual({ sumOfPrimes: 7, getWords: 1 })
  })

  it('reads code without semicolons', () => {
    const source = `
      function f(a, b) {
        if (a) return 1
        if (b) return 2
        const c = a ? 1 : 2
        if (c) return 3
        return c
      }`
    expect(scores('a.ts', source)).toEqual({ f: 4 })
  })

  it('counts else, else if and runs of operators flat', () => {
    const source = `
      const f = (a: number, b: boolean): { x: number } => {
        if (a && b && !(a || b)) { return { x: 1 } } else if (b) { return { x: 2 } } else return { x: 3 }
      }`
    expect(scores('a.ts', source)).toEqual({ f: 5 })
  })

  it('finds methods with type annotations, and their return types are not bodies', () => {
    const source = `
      class A<T> extends B(C) {
        get size(): number { return this.a ? 1 : 0 }
        async walk(a?: string, b: { c: number } = { c: 1 }): Promise<{ d: number }> {
          for await (const x of y) { try { go() } catch { if (x) { stop() } } }
        }
        static again(n: number): number { return n < 2 ? n : this.again(n - 1) }
      }
      function g(): { a: number } { while (x) y(); do { z() } while (q); }`
    expect(scores('a.ts', source)).toEqual({ size: 1, walk: 6, again: 2, g: 2 })
  })

  it('gives callbacks to the named function around them, one level deeper', () => {
    const source = `
      function outer(list) { list.forEach((x) => { if (x) use(x) }) }
      list.map((x) => { if (x) { use(x) } })`
    expect(scores('a.js', source)).toEqual({ outer: 2, '(anonymous)': 1 })
  })

  it('is not fooled by texts, comments, templates and regular expressions', () => {
    const source = `
      function f() {
        // if (a) { for (;;) {
        /* while (1) { */
        const a = "if (x) {"
        const b = \`\${a ? 'if {' : "}"} while ( {\`
        const c = /[/{]if \\/ (/.test(a)
        return a / b / c
      }
      function g() { if (1) {} }`
    expect(scores('a.js', source)).toEqual({ f: 1, g: 1 })
  })
})

describe('functions of other languages', () => {
  it('Go: headers without parentheses, receivers, function types', () => {
    const source = `
      type F func(int) error
      func (s *Server) Run(cb func(int) error) (interface{}, error) {
        if err := cb(1); err != nil && s.ok {
          return nil, err
        } else if x {
          for { select { case <-s.done: break } }
        }
        go func() { for range s.x { s.y() } }()
        return nil, nil
      }
      func plain() { }`
    expect(scores('a.go', source)).toEqual({ Run: 10, plain: 0 })
  })

  it('Rust: match, closures, lifetimes, raw texts, impl blocks', () => {
    const source = `
      impl<'a> Trait for Thing<'a> where F: for<'b> Fn(&'b str) {
        fn go(&self, x: Option<char>) -> Result<(), E> {
          match x { Some('{') => { if a && b { self.go(None)?; } } _ => {} }
          let s = r#"if { "quoted" "#; let t = &&x;
          loop { break; }
          Ok(())
        }
      }`
    expect(scores('a.rs', source)).toEqual({ go: 6 })
  })

  it('C and C++: preprocessor, initialisers, references, digit separators', () => {
    const source = `
      #define LOOP for (;;) { \\
        if (1) {
      Foo::Foo(int a) : x(a), y{1'000} { if (a) { x = 2; } }
      static int max(int a, int&& b) noexcept { return a > b ? a : b; }
      auto s = R"x(if (a) { )" )x";`
    expect(scores('a.cpp', source)).toEqual({ Foo: 1, max: 1 })
  })

  it('C#: accessors, verbatim texts, lambdas, nullable types', () => {
    const source = `
      class A { int? B { get { return c ? 1 : 2; } }
        void D(int? e) { var p = @"C:\\{""if"; items.ForEach(i => { if (i > 1) { Use(i?.X ?? 0); } }); } }`
    expect(scores('a.cs', source)).toEqual({ get: 1, D: 2 })
  })

  it('PHP: only between its tags', () => {
    const source = `if (a) { <?php
      function f($a) { if ($a) { foreach ($a as $b) { } } elseif ($c and $d) { } else { } } # if {
      ?> while ( <?php function g() { return $this->g(); } `
    expect(scores('a.php', source)).toEqual({ f: 6, g: 1 })
  })

  it('Python: indentation, continued lines, long texts, comprehensions', () => {
    const source = `
class A:
    def f(self, a, b):
        """if while for"""
        if a and b and (
            a or b
        ):
            for x in y:
                while x:
                    pass
        elif b: pass
        else:
            z = 1 if a else 2
        match = 3
        match b:
            case 1: return self.f(1, 2)
        return [q for q in y if q]

    async def g(self):
        try: pass
        except E: pass

def h(): return 1
`
    expect(scores('a.py', source)).toEqual({ f: 14, g: 1, h: 0 })
  })
})

describe('hostile text', () => {
  it.each(['(', '{', '?', '`${', "'", '/*', 'if (', '}', '"""', '<?php '])('%s without end', (piece) => {
    for (const path of ['a.ts', 'a.rs', 'a.py', 'a.php', 'a.cpp', 'a.cs']) {
      const language = languageOf(path)
      if (!language?.syntax || !language.grammar) throw new Error('measured')
      const { tokens, counts } = lex(piece.repeat(20_000), language.syntax, true)
      functionsOf(language.grammar, tokens)
      expect(counts.lines).toBe(1)
    }
  })
})
