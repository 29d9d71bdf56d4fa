import NetworkTypes
import SimulationKit
import Testing

@testable import AgentCore

@Suite struct DeadlineTests {
    @Test func agreesWithAPlainDictionary() throws {
        try property("deadlines", iterations: 20) { generator in
            var deadlines = Deadlines<Int>()
            var plain: [Int: Instant] = [:]
            for _ in 0..<600 {
                let key = generator.integer(in: 0...20)
                switch generator.integer(in: 0...9) {
                case 0..<6:
                    let at = Instant(nanoseconds: Int64(generator.integer(in: 0...50)))
                    deadlines[key] = at
                    plain[key] = at
                case 6..<9:
                    deadlines[key] = nil
                    plain[key] = nil
                default:
                    let now = Instant(nanoseconds: Int64(generator.integer(in: 0...20)))
                    let due = plain.filter { $0.value <= now }.keys.sorted()
                    try hold(deadlines.removeDue(at: now) == due, "what is due at \(now)")
                    for key in due { plain[key] = nil }
                }
                try hold(deadlines.next == plain.values.min(), "the next one")
                try hold(deadlines.count == plain.count && Set(deadlines.keys) == Set(plain.keys), "the keys")
                try hold(deadlines[key] == plain[key], "that of \(key)")
            }
            deadlines.removeAll()
            try hold(deadlines.next == nil && deadlines.count == 0, "nothing is left")
        }
    }
}
