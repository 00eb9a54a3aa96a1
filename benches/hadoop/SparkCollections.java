// The collection tasks on Spark RDDs: java SparkCollections TASK DIR THREADS RUNS
//
// As a user of the Java RDD API writes them, over arrays that lie in memory (words: over the file).
// A line of JSON at the end, with the numbers that the program `bench` prints.
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.LongBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

import org.apache.spark.SparkConf;
import org.apache.spark.api.java.JavaPairRDD;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import scala.Tuple2;

public final class SparkCollections {
    static final int PARTITIONS = 32;

    /** Numbers from..to of an array file, whose header is a multiple of 64 bytes and tells its own length. */
    static long[] numbers(String file, long part, long parts) throws IOException {
        try (FileChannel channel = FileChannel.open(Path.of(file))) {
            ByteBuffer head = channel.map(FileChannel.MapMode.READ_ONLY, 0, 10).order(ByteOrder.LITTLE_ENDIAN);
            long start = 10 + head.getShort(8);
            long n = (channel.size() - start) / 8;
            long from = n * part / parts, to = n * (part + 1) / parts;
            LongBuffer longs = channel.map(FileChannel.MapMode.READ_ONLY, start + 8 * from, 8 * (to - from))
                    .order(ByteOrder.LITTLE_ENDIAN).asLongBuffer();
            long[] array = new long[(int) (to - from)];
            longs.get(array);
            return array;
        }
    }

    static JavaPairRDD<Long, Long> pairs(JavaSparkContext context, String keys, String values) {
        List<Integer> parts = new ArrayList<>();
        for (int p = 0; p < PARTITIONS; p++) {
            parts.add(p);
        }
        JavaPairRDD<Long, Long> pairs = context.parallelize(parts, PARTITIONS).flatMapToPair(p -> {
            long[] key = numbers(keys, p, PARTITIONS);
            long[] value = values == null ? key : numbers(values, p, PARTITIONS);
            return new java.util.Iterator<Tuple2<Long, Long>>() {
                int at = 0;

                public boolean hasNext() {
                    return at < key.length;
                }

                public Tuple2<Long, Long> next() {
                    return new Tuple2<>(key[at], value[at++]);
                }
            };
        });
        pairs = pairs.persist(org.apache.spark.storage.StorageLevel.MEMORY_ONLY_SER());
        pairs.count();
        return pairs;
    }

    public static void main(String[] args) {
        String task = args[0], dir = args[1];
        int runs = Integer.parseInt(args[3]);
        SparkConf conf = new SparkConf().setMaster("local[" + args[2] + "]").setAppName(task).set("spark.ui.enabled", "false")
                .set("spark.serializer", "org.apache.spark.serializer.KryoSerializer");
        double[] seconds = new double[runs];
        String answer = "";
        try (JavaSparkContext context = new JavaSparkContext(conf)) {
            context.setLogLevel("ERROR");
            JavaPairRDD<Long, Long> left = null, right = null;
            if (task.equals("join")) {
                left = pairs(context, dir + "/join_left.npy", null);
                right = pairs(context, dir + "/join_right.npy", null);
            } else if (!task.equals("words")) {
                left = pairs(context, dir + "/kv_key.npy", dir + "/kv_val.npy");
            }
            for (int run = 0; run < runs; run++) {
                long start = System.nanoTime();
                if (task.equals("words")) {
                    JavaRDD<String> words = context.textFile(dir + "/words.txt").flatMap(line -> Arrays.asList(line.split(" ")).iterator());
                    long[] found = words.mapToPair(word -> new Tuple2<>(word, 1L)).reduceByKey(Long::sum)
                            .map(pair -> new long[] {1, pair._2}).reduce((a, b) -> new long[] {a[0] + b[0], a[1] + b[1]});
                    answer = "\"distinct\": " + found[0] + ", \"total\": " + found[1];
                } else if (task.equals("join")) {
                    answer = "\"rows\": " + left.join(right).count();
                } else if (task.equals("sort")) {
                    answer = "\"rows\": " + left.sortByKey().count();
                } else {
                    long[] found = left.reduceByKey(Long::sum).map(pair -> new long[] {1, pair._1 * pair._2})
                            .reduce((a, b) -> new long[] {a[0] + b[0], a[1] + b[1]});
                    answer = "\"groups\": " + found[0] + ", \"checksum\": " + Long.toUnsignedString(found[1]);
                }
                seconds[run] = (System.nanoTime() - start) / 1e9;
            }
        }
        System.out.println("{\"seconds\": " + Arrays.toString(seconds) + ", " + answer + "}");
    }
}
