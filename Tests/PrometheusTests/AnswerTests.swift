import Testing

@testable import Prometheus

@Suite struct AnswerTests {
    private static func success(_ type: String, _ result: String, more: String = "") -> [UInt8] {
        Array(#"{"status":"success","data":{"resultType":"\#(type)","result":\#(result)}\#(more)}"#.utf8)
    }

    @Test func vectorAndMatrix() throws {
        let vector = try PrometheusAnswer(
            json: Self.success("vector", #"[{"metric":{"application":"web"},"value":[1700000000.781,"12"]}]"#))
        #expect(
            vector.series == [
                .init(labels: ["application": "web"], points: [.init(time: 1_700_000_000.781, value: 12)])
            ])
        let matrix = try PrometheusAnswer(
            json: Self.success("matrix", #"[{"metric":{},"values":[[10,"1e3"],[20,"0.5"]]}]"#))
        #expect(matrix.series.first?.points.map(\.value) == [1000, 0.5])
        #expect(matrix.series.first?.points.map(\.time) == [10, 20])
    }

    @Test func everythingThatADoubleCanBe() throws {
        let answer = try PrometheusAnswer(
            json: Self.success(
                "matrix", #"[{"metric":{},"values":[[1,"NaN"],[2,"+Inf"],[3,"-Inf"],[4,"-2"],[5,"7"]]}]"#))
        let values = try #require(answer.series.first).points.map(\.value)
        #expect(values[0].isNaN && values[1] == .infinity && values[2] == -.infinity)
        let reading = PrometheusReading(answer, label: "application", moments: 0...10)
        #expect(reading.series.isEmpty && reading.skipped == [.unnamed: 1])
    }

    @Test func warningsAreKept() throws {
        let answer = try PrometheusAnswer(json: Self.success("vector", "[]", more: #","warnings":["store x is away"]"#))
        #expect(answer.series.isEmpty && answer.warnings == ["store x is away"])
    }

    @Test func refusalsSayWhy() {
        let body = #"{"status":"error","errorType":"bad_data","error":"parse error at char 3"}"#
        #expect(throws: PrometheusError.refused(type: "bad_data", message: "parse error at char 3")) {
            try PrometheusAnswer(json: Array(body.utf8))
        }
    }

    @Test func histogramsHaveNoNumber() throws {
        let answer = try PrometheusAnswer(
            json: Self.success("vector", #"[{"metric":{"application":"a"},"histogram":[1,{"count":"3","sum":"1"}]}]"#))
        #expect(answer.series.isEmpty && answer.withoutNumber == 1)
    }

    @Test(arguments: [
        "", "{", "[]", "null", #"{"status":"success"}"#, #"{"status":1}"#, "\u{0}\u{1}",
        #"{"status":"success","data":{"resultType":"scalar","result":[1,"2"]}}"#,
        #"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,2]}]}}"#,
        #"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":["x","2"]}]}}"#,
        #"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"two"]}]}}"#,
        #"{"status":"success","data":{"resultType":"matrix","result":{"metric":{}}}}"#,
    ])
    func whatIsNoAnswerIsMalformed(body: String) {
        let error = #expect(throws: PrometheusError.self) { try PrometheusAnswer(json: Array(body.utf8)) }
        #expect(error?.kind == .malformed)
    }

    @Test func deepNestingEnds() {
        let deep = String(repeating: "[", count: 100_000)
        let body = #"{"status":"success","data":{"resultType":"vector","result":\#(deep)"#
        #expect(throws: PrometheusError.self) { try PrometheusAnswer(json: Array(body.utf8)) }
    }

    @Test func readingLeavesOutWhatIsNoCount() throws {
        func series(_ name: String?, _ points: [(Double, Double)]) -> PrometheusAnswer.Series {
            .init(
                labels: name.map { ["application": $0] } ?? ["other": "x"],
                points: points.map { .init(time: $0.0, value: $0.1) })
        }
        var answer = try PrometheusAnswer(json: Self.success("vector", "[]"))
        answer.series = [
            series("good", [(1, 5), (2, .nan), (3, -1), (4, .infinity), (900, 6), (5, 7)]),
            series(nil, [(1, 1)]), series("", [(1, 1)]), series("twice", [(1, 1)]), series("twice", [(1, 2)]),
            series("empty", [(1, .nan)]),
        ]
        let reading = PrometheusReading(answer, label: "application", moments: 0...10)
        #expect(reading.series == ["good": [.init(time: 1, value: 5), .init(time: 5, value: 7)]])
        #expect(
            reading.skipped == [.notFinite: 3, .negative: 1, .stale: 1, .unnamed: 2, .ambiguous: 2])
    }

    @Test func parametersAreEncoded() {
        #expect(PrometheusClient.encoded("a b+c{x=\"ü\"}[5m]") == "a%20b%2Bc%7Bx%3D%22%C3%BC%22%7D%5B5m%5D")
        #expect(PrometheusClient.text(1_700_000_000.0056) == "1700000000.006")
        #expect(PrometheusClient.text(0.25) == "0.250")
    }
}
