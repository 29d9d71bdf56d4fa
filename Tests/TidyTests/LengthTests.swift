import Testing

@Suite struct LengthTests {
    static let fileLinesMax = 400
    static let functionLinesMax = 60

    @Test func filesStayShort() throws {
        for file in Repository.swiftFiles {
            // The text after the last line end is no line.
            let count = file.lines.count - 1
            #expect(count <= Self.fileLinesMax, "\(file.path) has \(count) lines: split it")
        }
        for path in Repository.files(in: ["CShims"], extensions: ["c", "h"]) {
            let count = try Repository.text(path).split(separator: "\n", omittingEmptySubsequences: false).count - 1
            #expect(count <= Self.fileLinesMax, "\(path) has \(count) lines: split it")
        }
    }

    @Test func functionsStayShort() {
        for file in Repository.swiftFiles {
            for function in file.functions where function.length > Self.functionLinesMax {
                Issue.record("\(file.path):\(function.line): \(function.name) has \(function.length) lines")
            }
        }
    }

    @Test func architectureFitsItsBound() throws {
        let lines = try Repository.text("ARCHITECTURE.md").split(separator: "\n", omittingEmptySubsequences: false)
        #expect(lines.count < 200)
    }
}
