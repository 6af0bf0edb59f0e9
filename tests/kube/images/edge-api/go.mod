module kubelab/edge-api

go 1.24.0
