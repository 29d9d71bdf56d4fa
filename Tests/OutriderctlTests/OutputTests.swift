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

    @Test(
        arguments: [
            (0, "0"), (100, "100"), (20, "20"), (12_345.6, "12346"), (0.25, "0.25"), (7.5, "7.5"),
            (0.004_167, "0.00417"),
            (9.996, "10"), (0.000_000_4, "0"), (0.000_002, "0.000002"), (-1, ""), (.nan, ""),
        ] as [(Double, String)])
    func numbersHaveThreeDigitsThatCount(value: Double, text: String) {
        #expect(Words.number(value) == text)
    }

    @Test func theRuleOfMarginalValueIsExplained() {
        var answer = Outrider_V1_DecisionExplanation()
        let silent = ExplainApplication.lines(answer)
        #expect(silent.contains { $0.hasPrefix("rule ") && $0.contains("says nothing yet") })
        answer.costRatio = 20
        var advice = Outrider_V1_MarginalAdvice()
        (advice.target, advice.extra, advice.inUse, advice.price) = (12, 2, 9, 0.004_167)
        (advice.divisor, advice.floorMax, advice.floorRate, advice.nextRate) = (0.5, 8, 0.031, 0.0038)
        answer.marginal = advice
        let text = ExplainApplication.lines(answer).joined(separator: "\n")
        for part in [
            "hold 12, keep 2 free; 9 ran then", "0.00417 launches", "costs 20 idle hours", "the last kept free 0.031",
            "the next 0.0038", "levels by 0.5, floors up to 8",
        ] { #expect(text.contains(part), "\(part)") }
        #expect(!text.contains("the last of the target"), "none is held beyond the floor")
    }
}
