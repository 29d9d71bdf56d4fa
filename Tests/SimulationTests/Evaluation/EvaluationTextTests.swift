import NetworkTypes
import Testing

@testable import FleetSimulation

@Suite("Evaluation: what is read")
struct EvaluationTextTests {
    @Test func tracesAreSortedByNameAndTime() throws {
        let trace = try EventTrace(csv: Array("t,app,delta\n2.5,b,1\n-1e3,b,2\n2.5,a,3\n2.5,b,-1\n".utf8))
        #expect(trace.applications == ["a", "b"])
        #expect(trace.changes.map(\.delta) == [2, 1, 3, -1])
        #expect(trace.changes.map(\.application) == [1, 1, 0, 1])
        #expect(trace.changes[1].at == Small.instant(2.5))
        let only = trace.only { $0 == "b" }
        #expect(only.applications == ["b"])
        #expect(only.changes.map(\.delta) == [2, 1, -1])
    }

    @Test(arguments: ["1,a", "x,a,1", "1,a,1.5", "1,a,", "nan,a,1", "1e12,a,1", "1,a,1,1"])
    func brokenTracesAreRefused(row: String) {
        #expect(throws: EventTraceError.malformed(line: 2)) { try EventTrace(csv: Array("t,app,delta\n\(row)\n".utf8)) }
    }

    @Test func nothingStopsThatDoesNotRun() {
        #expect(throws: EventTraceError.stopsMore(application: "a", seconds: 7)) {
            try EventTrace(csv: Array("t,app,delta\n1,a,2\n7,a,-3\n".utf8))
        }
    }

    @Test func rowsMayLeaveColumnsOut() throws {
        let rows = try PolicyRows(csv: Array("app,t,target\r\na,300,7\r\n".utf8), name: "r").rows["a"] ?? []
        #expect(rows.map(\.target) == [HoldingTarget(total: 7, extra: 0)])
        #expect(rows.map(\.until) == [Small.instant(86_700)])
    }

    @Test(arguments: [
        ("t,app\n1,a\n", PolicyRowsError.columns(["t", "app"])),
        ("t,app,target\n1,a\n", .malformed(line: 2)), ("t,app,target\n1,a,-1\n", .malformed(line: 2)),
        ("t,app,target\nx,a,1\n", .malformed(line: 2)), ("t,app,target\n\n1,a,inf\n", .malformed(line: 3)),
        ("t,app,target,start,len\n1,a,1,64,16\n", .ranges(line: 2)),
    ])
    func brokenRowsAreRefused(csv: String, error: PolicyRowsError) {
        #expect(throws: error) { try PolicyRows(csv: Array(csv.utf8), name: "r") }
    }

    @Test func policiesHaveNames() throws {
        for name in Small.policies {
            let choice = try PolicyChoice.parse(name)
            #expect(choice.count == 1)
            let run = try Small.run(name, Small.trace([]), Small.plan())
            #expect(run.policy.name.hasPrefix(name))
        }
        for family in PolicyFamily.allCases {
            let sweep = try PolicyChoice.parse(family.rawValue)
            #expect(Set(sweep).count == sweep.count)
            #expect(sweep.count > 2 || family == .oracle)
        }
    }

    @Test(arguments: [
        "", "cold", "warm:", "warm:-1", "warm:1:5", "warm:1:4:old", "warm:1:512", "keep:x", "keep:60:4:4",
        "keep:60:4:8:4", "naive:1", "naive:0",
        "predictive:0.5:3", "predictive:2", "oracle:1", "blocks:16:4", "watermark:2",
    ])
    func wrongNamesAreRefused(text: String) {
        #expect(throws: PolicyChoiceError.self) { try PolicyChoice.parse(text) }
    }
}
