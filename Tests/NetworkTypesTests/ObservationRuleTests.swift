import NetworkTypes
import SimulationKit
import Testing

@Suite struct ObservationRuleTests {
    private static let application = ApplicationID(UUID128(high: 1, low: 2))

    @Test(arguments: [
        "name=vnet* application=alias", "alias=* application=metadata",
        "name=t?p* alias=web* domain=*-prod application=\(application)",
    ])
    func textIsReadBack(_ text: String) throws { #expect(try #require(ObservationRule(text)).description == text) }

    @Test(arguments: [
        "", "application=alias", "name=* application=", "name=*", "name= application=alias",
        "name=* name=b application=alias",
        "name=* application=nobody", "name=* colour=red application=alias", "name application=alias",
    ])
    func otherTextIsRefused(_ text: String) { #expect(ObservationRule(text) == nil) }

    @Test(arguments: [
        ("vnet*", "vnet12", true), ("vnet*", "vnet", true), ("vnet*", "avnet1", false), ("*", "", true),
        ("?", "", false), ("v?et*", "vnet1", true), ("*web*", "a-web-b", true), ("*ab", "aab", true),
        ("*ab", "aba", false), ("a*b*c", "a1b2b3c", true), ("a*b*c", "a1b2b3", false), ("", "", true), ("", "a", false),
    ])
    func patterns(_ pattern: String, _ text: String, _ holds: Bool) throws {
        let rule = try #require(ObservationRule(name: pattern, application: .alias))
        #expect(rule.matches(name: text, alias: "", domain: nil) == holds)
    }

    @Test func allPatternsMustHold() throws {
        let rule = try #require(ObservationRule("name=vnet* domain=web-* application=alias"))
        #expect(rule.matches(name: "vnet1", alias: "", domain: "web-1"))
        #expect(!rule.matches(name: "vnet1", alias: "", domain: "db-1"))
        #expect(!rule.matches(name: "vnet1", alias: "", domain: nil))
        #expect(!rule.matches(name: "tap1", alias: "", domain: "web-1"))
    }

    /// Against the definition, over an alphabet in which everything meets.
    @Test func patternsAreWhatTheirDefinitionSays() throws {
        func holds(_ pattern: Substring, _ text: Substring) -> Bool {
            guard let first = pattern.first else { return text.isEmpty }
            if first == "*" {
                return holds(pattern.dropFirst(), text) || (!text.isEmpty && holds(pattern, text.dropFirst()))
            }
            guard let character = text.first, first == "?" || first == character else { return false }
            return holds(pattern.dropFirst(), text.dropFirst())
        }
        try property("patterns of observation rules", iterations: 500) { generator in
            let pattern = String(
                (0..<Int.random(in: 0...6, using: &generator)).map { _ in
                    "ab*?".randomElement(using: &generator) ?? "a"
                })
            let text = String(
                (0..<Int.random(in: 0...6, using: &generator)).map { _ in
                    "ab".randomElement(using: &generator) ?? "a"
                })
            let rule = try #require(ObservationRule(name: pattern, application: .alias))
            try #require(
                rule.matches(name: text, alias: "", domain: nil) == holds(pattern[...], text[...]),
                "\(pattern) \(text)")
        }
    }
}
