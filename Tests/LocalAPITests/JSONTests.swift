import LocalAPI
import Testing

@Suite struct JSONTests {
    @Test(arguments: [
        "null", "true", "[]", "{}", "[1,-2,9223372036854775807]", "{\"a\":{\"b\":[\"c\"]}}", "\"\\u0000\\\"\\\\\\n\"",
        "1.5",
        "\"grüße 🚀\"",
    ])
    func canonicalTextSurvives(text: String) throws {
        #expect(try JSONValue(parsing: text.utf8).description == text)
    }

    @Test func escapesAndNumbers() throws {
        #expect(try JSONValue(parsing: #""\ud83d\ude80\u00e4\/\b\f""#.utf8) == "🚀ä/\u{8}\u{c}")
        #expect(
            try JSONValue(parsing: " [ 1e2 , -0 , 0.5E-1 ] ".utf8)
                == .array([.number(100), .integer(0), .number(0.05)]))
        #expect(try JSONValue(parsing: "18446744073709551616".utf8) == .number(18_446_744_073_709_551_616))
    }

    @Test(arguments: [
        "", " ", "nul", "tru", "01", "-", "1.", "1e", ".5", "+1", "\"", "\"\\x\"", "\"\\u12\"", "\"\\ud800\"",
        "\"\\ud800\\u0041\"", "\"\\udc00\"", "\"\n\"", "[", "[1", "[1,", "[1,]", "[,]", "{", "{\"a\"", "{\"a\":",
        "{\"a\":1,",
        "{\"a\":1,}", "{a:1}", "{\"a\":1,\"a\":2}", "1 2", "[]]", "NaN", "Infinity", "1e999", "'a'", "/**/1",
    ])
    func malformedIsRefused(text: String) {
        #expect(throws: JSONError.self) { try JSONValue(parsing: text.utf8) }
    }

    @Test func bytesThatAreNoUTF8AreRefused() {
        for bytes in [[0x22, 0xFF, 0x22], [0x22, 0xC0, 0x80, 0x22], [0x22, 0xED, 0xA0, 0x80, 0x22]] as [[UInt8]] {
            #expect(throws: JSONError.self) { try JSONValue(parsing: bytes) }
        }
    }

    @Test func depthAndSizeAreBounded() throws {
        let deep = { (count: Int) in String(repeating: "[", count: count) + String(repeating: "]", count: count) }
        _ = try JSONValue(parsing: deep(16).utf8)
        #expect(throws: JSONError.tooDeep(offset: 16, limit: 16)) { try JSONValue(parsing: deep(17).utf8) }
        #expect(throws: JSONError.tooDeep(offset: 16, limit: 16)) { try JSONValue(parsing: deep(100_000).utf8) }
        #expect(throws: JSONError.tooLarge(bytes: 4, limit: 3)) {
            try JSONValue(parsing: "1234".utf8, limits: .init(bytes: 3))
        }
    }

    @Test func mutatedTextNeverTraps() {
        var state: UInt64 = 7
        print("seed \(state)")
        let text = Array(#"{"a":[1,-2.5e3,"x\u00e4\n",{"b":null,"c":true}],"d":"🚀"}"#.utf8)
        for _ in 0..<20_000 {
            var bytes = text
            for _ in 0..<3 {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                bytes[Int(state >> 33) % bytes.count] = UInt8(truncatingIfNeeded: state >> 24)
            }
            guard let value = try? JSONValue(parsing: bytes) else { continue }
            #expect((try? JSONValue(parsing: value.encoded())) == value)
        }
    }
}
