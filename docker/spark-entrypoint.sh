#!/usr/bin/env bash
# Starts what Spark on Kubernetes asks a pod to be: `driver ARGUMENTS…` or `executor`. Anything else is run as it is.
# The variables are Spark's: https://spark.apache.org/docs/latest/running-on-kubernetes.html
set -euo pipefail

init=()
if command -v tini > /dev/null; then init=(tini -s --); fi

case "${1:-}" in
  driver)
    shift
    # The pod is the driver: submit again, as a client, to the cluster that the mounted properties name.
    exec "${init[@]}" "$SPARK_HOME/bin/spark-submit" \
      --conf "spark.driver.bindAddress=$SPARK_DRIVER_BIND_ADDRESS" \
      --conf "spark.executorEnv.SPARK_DRIVER_POD_IP=$SPARK_DRIVER_BIND_ADDRESS" \
      --deploy-mode client \
      "$@"
    ;;
  executor)
    options=()
    for ((n = 0; ; n++)); do
      name="SPARK_JAVA_OPT_$n"
      [[ -v $name ]] || break
      options+=("${!name}")
    done
    classpath="${SPARK_CONF_DIR:-$SPARK_HOME/conf}:${SPARK_CLASSPATH:+$SPARK_CLASSPATH:}$SPARK_HOME/jars/*"
    exec "${init[@]}" "${JAVA_HOME:+$JAVA_HOME/bin/}java" \
      "${options[@]}" \
      "-Xms$SPARK_EXECUTOR_MEMORY" \
      "-Xmx$SPARK_EXECUTOR_MEMORY" \
      -cp "$classpath" \
      org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBackend \
      --driver-url "$SPARK_DRIVER_URL" \
      --executor-id "$SPARK_EXECUTOR_ID" \
      --cores "$SPARK_EXECUTOR_CORES" \
      --app-id "$SPARK_APPLICATION_ID" \
      --hostname "$SPARK_EXECUTOR_POD_IP" \
      --resourceProfileId "$SPARK_RESOURCE_PROFILE_ID" \
      --podName "$SPARK_EXECUTOR_POD_NAME"
    ;;
  *)
    exec "${init[@]}" "$@"
    ;;
esac
