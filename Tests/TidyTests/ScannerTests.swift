import Testing

/// The scanner that the other tests here trust.
@Suite struct ScannerTests {
    @Test(arguments: [
        ("let a = 1 // x!", "let a = 1      "),
        ("/* a /* b */ c */d", "                 d"),
        (#"f("a\"b")g"#, #"f("    ")g"#),
        (#"f("\(x!)")"#, #"f(" (x!)")"#),
        (##"#"a"b"#c"##, ##"#"   "#c"##),
        ("\"\"\"\nx!\n\"\"\"", "\"\"\"\n  \n\"\"\""),
        ("#if os(Linux)", "#if os(Linux)"),
    ])
    func blanksWhatIsNotCode(source: String, code: String) {
        #expect(SwiftScanner.code(of: source) == code)
    }

    @Test func measuresFunctions() {
        let file = SwiftFile(
            path: "x",
            text: """
                protocol P {
                    func required(_ a: Int)
                    func other() -> Int
                }
                struct S {
                    func one() { }
                    func two(
                        a: Int = { 3 }()
                    ) -> Int {
                        if a > 0 { return 1 }
                        return 2
                    }
                    init?(x: Int) {
                        self.init(y: x)
                    }
                }
                """)
        #expect(
            file.functions == [
                FunctionSpan(name: "func one", line: 6, length: 1), FunctionSpan(name: "func two", line: 7, length: 6),
                FunctionSpan(name: "init", line: 13, length: 3),
            ])
    }

    @Test func readsImports() {
        let file = SwiftFile(path: "x", text: "import A\npublic import B\n@testable import C\n// import D\n")
        #expect(file.imports == ["A", "B", "C"])
    }
}
