// The chain of narrow operators on a Spark RDD: java SparkChain N PARTITIONS REPEATS
//
// sum over i < N of sqrt(splitmix64(i)) where splitmix64(i) is divisible by 3, as a user of the RDD API
// writes it. pyspark's own RDDs would run the functions in Python. A line of JSON at the end.
import java.util.Arrays;

import org.apache.spark.SparkConf;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;

public final class SparkChain {
    static long splitmix64(long i) {
        long z = i + 0x9E3779B97F4A7C15L;
        z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
        z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
        return z ^ (z >>> 31);
    }

    static double unsigned(long z) {
        return z >= 0 ? (double) z : 2.0 * ((z >>> 1) | (z & 1));
    }

    public static void main(String[] args) {
        long n = Long.parseLong(args[0]);
        int partitions = Integer.parseInt(args[1]);
        int repeats = Integer.parseInt(args[2]);
        SparkConf conf = new SparkConf().setMaster("local[2]").setAppName("chain").set("spark.ui.enabled", "false");
        double[] seconds = new double[repeats];
        double answer = 0;
        try (JavaSparkContext context = new JavaSparkContext(conf)) {
            context.setLogLevel("ERROR");
            for (int r = 0; r < repeats; r++) {
                long start = System.nanoTime();
                JavaRDD<?> numbers = context.sc().range(0, n, 1, partitions).toJavaRDD();
                answer = numbers.map(i -> splitmix64((Long) i))
                        .filter(z -> Long.remainderUnsigned(z, 3) == 0)
                        .mapToDouble(z -> Math.sqrt(unsigned(z)))
                        .reduce(Double::sum);
                seconds[r] = (System.nanoTime() - start) / 1e9;
            }
        }
        System.out.println("{\"seconds\": " + Arrays.toString(seconds) + ", \"answer\": " + answer + "}");
    }
}
