module autotuner/realnode

go 1.24.0
