import ControlAPI
import Testing

@testable import outriderctl

@Suite struct OutputTests {
    @Test func columnsAlignByTheWidestCell() {
        var table = Table([.text("NAME"), .number("COUNT"), .text("NOTE")])
        table.add(["a", "5", ""])
        table.add(["longer", "1234567", "x"])
        #expect(
            table.lines == [
                "NAME      COUNT  NOTE",
                "a             5  -",
                "longer  1234567  x",
            ])
    }

    @Test func anEmptyTableStillNamesItsColumns() {
        #expect(Table([.text("A"), .number("B")]).lines == ["A  B"])
    }

    @Test func factsAlignTheirValues() {
        var facts = Facts()
        facts.add("a", "1")
        facts.add("longer", "")
        #expect(facts.lines == ["a       1", "longer  -"])
    }

    /// A name must not colour the screen, forge a line, or reorder what stands beside it.
    @Test(arguments: [
        ("plain-name", "plain-name"), ("grün", "grün"), ("a\u{1B}[31mred", "a\\u{1b}[31mred"),
        ("a\nb", "a\\u{a}b"), ("a\u{9B}31m", "a\\u{9b}31m"), ("x\u{202E}y", "x\\u{202e}y"), ("\u{7F}", "\\u{7f}"),
    ])
    func dangerousCharactersAreEscaped(text: String, shown: String) {
        #expect(Terminal.escaped(text) == shown)
        var table = Table([.text("A")])
        table.add([text])
        #expect(table.lines[1] == shown)
    }

    @Test func rangesReadAsTheCommandLineTakesThem() throws {
        var range = Outrider_V1_Range()
        range.first = 4096
        range.count = 16
        #expect(range.word == "4096-4111")
        let read = try #require(RangeArgument(argument: range.word))
        #expect("\(read.range)" == "4096-4111")
        range.count = 1
        #expect(range.word == "4096")
    }

    @Test func unknownNumbersAreEmpty() {
        #expect(Words.fraction(-1) == "")
        #expect(Words.fraction(.nan) == "")
        #expect(Words.fraction(0.054) == "0.05")
        #expect(Words.fraction(12.999) == "13.00")
    }
}
